"""Alertmanager: who is told of what Prometheus has found, once for each fault."""
