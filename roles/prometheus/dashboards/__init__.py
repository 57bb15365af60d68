"""Dashboards for Grafana, as data: every panel with its query, its unit and why somebody looks at it."""
