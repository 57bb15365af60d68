"""LiveKit in a private network, with guests from outside: docs/setups/private.md."""

from livekit_metal import load

_ssh = {"user": "deploy", "key": "~/.ssh/id_ed25519"}

site = {
    "hosts": {
        "lk1": {
            "address": "10.10.0.11",
            "public": "203.0.113.11",  # what the border forwards to it
            "inside": True,  # staff and recorders come to 10.10.0.11
            "roles": ["livekit", "redis"],
            "ssh": _ssh,
        },
        "rec1": {"address": "10.10.0.21", "roles": ["egress"], "ssh": _ssh},  # makes calls, takes none from outside
    },
    "firewall": {"admin": ["10.10.5.0/24"]},
    "edge": {"tls": "acme", "domain": "call.example.org"},
    "acme": {"email": "ops@example.org"},
    "livekit": {"release": "1.13.7", "media_udp": "50000-50299", "turn": {"domain": "turn.example.org"}},
}

hosts = load(site, __file__)
