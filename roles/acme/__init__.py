"""Certificates by ACME: each host gets one of its own, with lego, and again in time."""
