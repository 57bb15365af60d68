"""One host that carries everything. Copy it to NAME.py, fill it in, then:

.venv/bin/pyinfra inventories/NAME.py deploy.py
"""

from livekit_metal import load

site = {
    "hosts": {
        "lk1": {
            "address": "192.0.2.11",  # SSH, and what clients reach; behind 1:1 NAT set "public" too
            "roles": ["livekit", "redis", "prometheus"],
            "ssh": {"user": "root", "known_hosts": "~/.ssh/known_hosts"},
        },
    },
    "firewall": {"admin": ["198.51.100.0/24"]},  # networks that may open SSH: yours must be among them
    "edge": {
        "tls": "acme",
        "domain": "lk.example.org",
    },  # a name that leads to the host; other ways: docs/operations/tls.md
    "acme": {"email": "ops@example.org"},  # what the CA asks for
    "livekit": {"release": "1.13.7"},  # versions: livekit_metal/releases/releases.toml
}

hosts = load(site, __file__)
