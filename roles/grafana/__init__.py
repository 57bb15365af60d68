"""Grafana, for who has none: the dashboards of livekit-metal, and the Prometheus beside it."""
