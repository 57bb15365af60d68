"""The Prometheus server, with targets from the port registry."""
