"""Plain site data shared by tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from livekit_metal.site.model import Site

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

# What a site needs that records; the file is read only when it is deployed.
RECORDING: dict[str, Any] = {"release": "1.14.1", "source": "file", "file": "egress", "sha256": "ab" * 32}

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
    "egress": {"slots": ["x", "y", "z"], "health": "17983-17985", "metrics": "17986-17988", "template": "17980-17982"},
    "ingress": {
        "slots": ["u", "v", "w"],
        "rtmp": "11936-11938",
        "whip": "18080-18082",
        "relay": "19590-19592",
        "health": "19593-19595",
        "metrics": "19596-19598",
        "debug": "19599-19601",
        "media_udp": "17885-17887",
    },
    "edge": {
        "https": 17443,
        "redirect": 17080,
        "http": 17880,
        "peer": 17870,
        "metrics": 18404,
        "rtmp": 11935,
        "rtmp_peer": 17871,
        "turn": 17872,
        "backends": {"files": {"server": "127.0.0.1:19001", "paths": ["/of/others"], "strip": True}},
    },
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
    "alertmanager": {"port": 19093, "peer": 19094},
}


def streaming(data: dict[str, Any]) -> dict[str, Any]:
    """``data`` with ingress on its first two hosts; of a build of one's own, so that any source will do."""
    data["ingress"] = {"source": "file", "file": "/builds/ingress", "sha256": "0" * 64} | data.get("ingress", {})
    for host in list(data["hosts"].values())[:2]:
        host["roles"] = [*host["roles"], "ingress"]
    return data


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

# What the first host has to itself; also on lab hosts.
OWN: dict[str, Any] = {
    "livekit": {"region": "here", "limits": {"num_tracks": 5000}},
    "edge": {"max_per_address": 900, "backends": {"files": {"server": "127.0.0.1:19002"}}},
    "firewall": {"open": [{"port": 18448, "networks": ["192.0.2.0/24"], "purpose": "of the first host alone"}]},
}


def _behind(hosts: dict[str, Any]) -> dict[str, Any]:
    """The hosts with a NAT before them, two of three telling their own addresses too; the first has ``OWN``."""
    made = {name: {**at, "public": f"203.0.113.{i}"} for i, (name, at) in enumerate(hosts.items(), 11)}
    first, *_, last = made
    made[first] |= {"inside": True, "settings": OWN}
    made[last] |= {"inside": True, "ips": ["192.0.2.0/24", "10.0.0.0/24"]}
    return made


ALTERNATIVE: dict[str, Any] = {**CLUSTER, **MOVED, "hosts": _behind(CLUSTER["hosts"])}

# The same over TLS, with TURN behind it; 443 stays, as clients are told no other port for that.
SECURE: dict[str, Any] = ALTERNATIVE | {
    "edge": MOVED["edge"] | {"tls": "internal", "domain": "lk.example.org", "hsts_days": 30, "https": 443},
    "livekit": MOVED["livekit"] | {"turn": {"domain": "{host}.turn.example.org", "ttl": "10m"}},
}

# The same with certificates by ACME; a CA asks port 80 and no other.
CERTIFIED: dict[str, Any] = SECURE | {
    "edge": SECURE["edge"] | {"tls": "acme", "redirect": 80},
    "acme": {"email": "ops@example.org"},
}


def carrying(site: Site, role: str, host: str = "lk1") -> Site:
    """The site with one more role on a host."""
    at = site.hosts[host]
    return replace(site, hosts={**site.hosts, host: replace(at, roles=tuple(dict.fromkeys((*at.roles, role))))})
