"""The other verbs, beside deploy.py: pyinfra deploys for hosts, and plain `python -m procedures.…` programs."""
