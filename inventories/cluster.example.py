"""Three hosts with one Redis, on a private network of their own. Every setting: docs/configuration.md."""

from livekit_metal import load

_all = ["livekit", "redis", "prometheus"]
_ssh = {"user": "deploy", "key": "~/.ssh/id_ed25519"}  # a user with sudo without password

site = {
    "hosts": {  # in the order of a deploy; the first is the canary
        "lk1": {"address": "203.0.113.11", "cluster": "10.0.0.11", "roles": _all, "ssh": _ssh},
        "lk2": {"address": "203.0.113.12", "cluster": "10.0.0.12", "roles": ["livekit"], "ssh": _ssh},
        "lk3": {"address": "203.0.113.13", "cluster": "10.0.0.13", "roles": ["livekit"], "ssh": _ssh},
    },
    "firewall": {"admin": ["198.51.100.0/24", "2001:db8:1::/48"]},
    "edge": {"tls": "acme", "domain": "lk.example.org"},  # a name that leads to all of them
    "acme": {"email": "ops@example.org"},
    "livekit": {
        "release": "1.13.7",
        "media_udp": "50000-50099",  # a slot binds as many ports as a host has cores: far fewer than 10001 do
        "room": {"empty_timeout": 300, "max_participants": 50},
        "webhooks": ["https://app.example.org/livekit"],
        "extra": {"room": {"enabled_codecs": [{"mime": "audio/opus"}, {"mime": "video/vp8"}]}},
    },
    "redis": {"max_memory_mb": 1024},
    "prometheus": {"retention_days": 30},
}

hosts = load(site, __file__)
