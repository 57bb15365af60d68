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
        "turn_udp": "13478-13480",
        "turn_tls": "15349-15351",
        "turn_relay": "21000-21299",
        "region": "elsewhere",
    },
    "edge": {"https": 17443, "redirect": 17080, "http": 17880, "peer": 17870, "metrics": 18404},
    "exporters": {"node": 19100, "redis": 19121},
    "prometheus": {"port": 19090},
}

ALTERNATIVE: dict[str, Any] = {**CLUSTER, **MOVED}

# The same over TLS, with TURN behind it; 443 stays, as clients are told no other port for that.
SECURE: dict[str, Any] = ALTERNATIVE | {
    "edge": MOVED["edge"] | {"tls": "internal", "domain": "lk.example.org", "hsts_days": 30, "https": 443},
    "livekit": MOVED["livekit"] | {"turn": {"domain": "{host}.turn.example.org", "ttl": "10m"}},
}
