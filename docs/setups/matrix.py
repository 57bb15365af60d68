"""LiveKit beside Matrix on one host: docs/setups/matrix.md."""

from livekit_metal import load

site = {
    "hosts": {
        "lk1": {
            "address": "203.0.113.11",
            "roles": ["livekit", "redis"],
            "ssh": {"user": "root", "known_hosts": "~/.ssh/known_hosts"},
        },
    },
    "firewall": {
        "admin": ["198.51.100.0/24"],
        # what else has a port of its own: the first deploy names what you forget
        "open": [
            {"port": "3478-3479", "purpose": "coturn"},
            {"port": "3478-3479", "proto": "udp", "purpose": "coturn"},
            {"port": "49152-49999", "proto": "udp", "purpose": "coturn's relays"},
        ],
    },
    "edge": {
        "tls": "acme",
        "domain": "matrix-rtc.example.org",
        "path_prefix": "/livekit/sfu",
        "backends": {
            "jwt": {"server": "127.0.0.1:8080", "paths": ["/livekit/jwt"], "strip": True, "check": "/healthz"},
            "synapse": {"server": "127.0.0.1:8008", "names": ["matrix.example.org"], "check": "/health"},
        },
    },
    "acme": {"email": "ops@example.org"},
    "livekit": {
        "release": "1.13.7",
        "room": {"auto_create": False},  # lk-jwt-service says who may have one
        "webhooks": ["http://127.0.0.1:8080/sfu_webhook"],  # who left, for lk-jwt-service
        "turn_udp": "3481-3483",  # 3478 is coturn's
        "turn_tls": "5351-5353",  # 5349 and 5350 too
        "media_udp": "50000-50299",  # coturn must stay below it (max-port)
    },
}

hosts = load(site, __file__)
