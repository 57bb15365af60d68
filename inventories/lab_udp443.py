"""The lab with TURN on UDP 443, in IPv4 and IPv6. LAB=NAME .venv/bin/python -m lab demo --inventory inventories/lab_udp443.py"""

from livekit_metal import load

from inventories.lab import site as _lab_site  # isort: skip

site = {
    **_lab_site,
    "livekit": {**_lab_site["livekit"], "turn": {"udp_443": True}},
}

hosts = load(site, __file__)
