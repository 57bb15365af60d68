"""Plain site data shared by tests."""

from __future__ import annotations

from typing import Any

SINGLE: dict[str, Any] = {
    "hosts": {"lk1": {"address": "192.0.2.11", "roles": ["livekit", "redis", "prometheus"]}},
}

CLUSTER: dict[str, Any] = {
    "hosts": {
        "lk1": {"address": "192.0.2.11", "cluster": "10.0.0.11", "roles": ["livekit", "redis", "prometheus"]},
        "lk2": {"address": "192.0.2.12", "cluster": "10.0.0.12", "roles": ["livekit"]},
        "lk3": {"address": "192.0.2.13", "cluster": "10.0.0.13", "roles": ["livekit"]},
    },
    "firewall": {"admin": ["198.51.100.0/24", "2001:db8:1::/48"]},
}

# Every port and path away from its default; also used by inventories/alternative.py on lab hosts.
MOVED: dict[str, Any] = {
    "paths": {"config": "/etc/alt/livekit", "releases": "/srv/alt/releases", "state": "/srv/alt/state"},
    "redis": {"port": 16379, "max_memory_mb": 128},
    "livekit": {
        "slots": ["x", "y", "z"],
        "signal": "18890-18892",
        "metrics": "16789-16791",
        "debug": "16060-16062",
        "ice_tcp": "17881-17883",
        "media_udp": "41000-41299",
        "region": "elsewhere",
    },
    "edge": {"http": 17880, "peer": 17870, "metrics": 18404},
    "sip": {
        "slots": ["x", "y", "z"],
        "port": "15070-15072",
        "rtp": "20000-20299",
        "health": "15080-15082",
        "metrics": "15090-15092",
    },
    "kamailio": {"port": 15060, "tls_port": 15061, "inside": 15059},
    "exporters": {"node": 19100, "redis": 19121},
    "prometheus": {"port": 19090},
}

# Phones, on the first host: a carrier with numbers, one whose calls log in, one for calls out only.
PHONES: dict[str, Any] = {
    "sip": {
        "file": "/srv/builds/livekit-sip",
        "sha256": "ab" * 32,
        "trunks": {
            "carrier": {
                "networks": ["198.51.100.0/24", "203.0.113.7/32"],
                "media_networks": ["0.0.0.0/0"],
                "numbers": ["+15550100", "+15550101"],
            },
            "office": {"networks": ["203.0.113.7/32"], "user": "office"},
            "out": {
                "networks": ["192.0.2.128/25"],
                "outbound": {"address": "sip.example.org", "numbers": ["+15550109"]},
            },
        },
        "rules": {
            "hotline": {"trunks": ["carrier"], "numbers": ["+15550100"], "room": "hotline"},
            "rest": {"trunks": ["carrier", "office"], "room_prefix": "call"},
        },
    },
}

ALTERNATIVE: dict[str, Any] = {**CLUSTER, **MOVED}
