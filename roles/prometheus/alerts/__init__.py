"""What Prometheus tells people about, as data: every alert, when it fires, whom it hurts and what to do next."""
