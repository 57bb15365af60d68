"""The lab on a host that does more: a web server, a tunnel that the operator comes by, a bridge of containers.

`python -m tests.run field` puts all of that on the host before its first deploy (tests/field/conftest.py).
"""

from lab.state import facts
from livekit_metal import load

from inventories.lab import site as _lab_site  # isort: skip

site = {
    **_lab_site,
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
