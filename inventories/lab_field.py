"""The lab on a host that does more: a web server, a tunnel that the operator comes by, a bridge of containers.

The web server has 80 and 443 and leads to LiveKit by name, as docs/proxies/nginx.conf has it: signalling, and TURN over
TLS by the name that a client asks for. `python -m tests.run field` puts all of that on the host before its first deploy
(tests/field/conftest.py).
"""

from lab.state import facts
from livekit_metal import load

from inventories.lab import site as _lab_site  # isort: skip

site = {
    **_lab_site,
    "edge": {
        "tls": "off",
        "domain": "call.example.org",
        "proxies": ["127.0.0.1/32"],
        "turn_proxy_protocol": True,
        "ca_file": facts()["directory"] + "/nginx-ca.pem",
    },
    # rooms are made by an application alone, as beside Matrix
    "livekit": {**_lab_site["livekit"], "turn": {"domain": "turn.example.org"}, "room": {"auto_create": False}},
    "firewall": {
        "admin": [facts()["gateway"] + "/32", "10.99.0.0/24"],
        "open": [
            {"port": 80, "purpose": "nginx"},
            {"port": 443, "purpose": "nginx"},
            {"port": 8443, "purpose": "nginx"},
            {"port": 51820, "proto": "udp", "purpose": "WireGuard"},
        ],
        "closed": ["7777/udp"],
        "trusted": ["br-field"],
    },
}

hosts = load(site, __file__)
