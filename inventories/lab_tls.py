"""The lab with TLS: everything over 443, certificates of the site's own CA, which clients are told to trust.
The name is shared: LiveKit is below a prefix.

LAB=NAME .venv/bin/python -m lab demo --inventory inventories/lab_tls.py
"""

from livekit_metal import load

from inventories.lab import site as _lab_site  # isort: skip

site = {
    **_lab_site,
    "edge": {"tls": "internal", "domain": "livekit.test", "hsts_days": 1, "path_prefix": "/livekit"},
    "livekit": {**_lab_site["livekit"], "turn": {"domain": "{host}.turn.test"}},
}

hosts = load(site, __file__)
