"""Prometheus exporters: the host's on every host, Redis' beside Redis."""
