"""The roles of a host, a folder each. This list is the only one; the registry of ports has its order."""

NAMES = (
    "preflight",
    "kernel",
    "firewall",
    "base",
    "redis",
    "livekit",
    "egress",
    "ingress",
    "edge",
    "acme",
    "kamailio",
    "sip",
    "agents",
    "redispatch",
    "lk",
    "exporters",
    "prometheus",
    "alertmanager",
    "grafana",
)
