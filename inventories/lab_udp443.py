"""The lab with TURN on UDP 443 too, in IPv4 and IPv6.

LAB=NAME .venv/bin/python -m lab demo --inventory inventories/lab_udp443.py
"""

from lab.state import facts
from livekit_metal import load

from inventories.lab import site as _lab_site  # isort: skip

_lab = facts()

site = {
    **_lab_site,
    "hosts": {name: {**host, "ipv6": _lab["hosts"][name]["ipv6"]} for name, host in _lab_site["hosts"].items()},
    "livekit": {**_lab_site["livekit"], "turn": {"udp_443": True}},
}

hosts = load(site, __file__)
