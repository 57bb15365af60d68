"""LiveKit at home, behind a router whose address changes: docs/setups/home.md."""

from livekit_metal import load

site = {
    "hosts": {
        "lk1": {
            "address": "192.168.1.20",
            "public": "discover",  # each deploy asks the host for the address that it has outside
            "inside": True,  # who is at home comes to 192.168.1.20: most routers know no hairpin
            "roles": ["livekit", "redis"],
            "ssh": {"user": "root", "known_hosts": "~/.ssh/known_hosts"},
        },
    },
    "firewall": {"admin": ["192.168.1.0/24"]},
    "edge": {"tls": "acme", "domain": "call.example.org"},  # a dynamic name that your router keeps right
    "acme": {"email": "me@example.org"},
    "livekit": {
        "release": "1.13.7",
        "media_udp": "50000-50299",  # few ports to forward: slots x cores are enough
        "turn": {"domain": "turn.example.org"},  # leads to the same address
    },
}

hosts = load(site, __file__)
