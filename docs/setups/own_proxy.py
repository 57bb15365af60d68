"""LiveKit behind nginx on the same host: docs/setups/own-proxy.md."""

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
        "open": [{"port": 80, "purpose": "nginx"}, {"port": 443, "purpose": "nginx"}],  # the proxy's, not LiveKit's
    },
    "edge": {
        "tls": "off",
        "domain": "call.example.org",  # clients and the doctor come by it
        "proxies": ["127.0.0.1/32"],
        "turn_proxy_protocol": True,  # as the recipes for nginx and HAProxy have it; Caddy's does without
    },
    "livekit": {"release": "1.13.7", "turn": {"domain": "turn.example.org"}},
}

hosts = load(site, __file__)
