"""The lab with every role that tells Prometheus something: what tests/watch asks each query of every rule and panel of.

ARTIFACTS names a directory with egress and livekit-sip, as for lab_media.py; stand-ins have no metrics.

LAB=NAME ARTIFACTS=DIR .venv/bin/python -m lab demo --inventory inventories/lab_everything.py
"""

from lab.state import facts
from livekit_metal import load

from inventories.lab_agents import site as _agents  # isort: skip
from inventories.lab_media import site as _media  # isort: skip
from inventories.lab_tls import site as _tls  # isort: skip

_lab = facts()
_first = next(iter(_lab["hosts"]))
_FORWARD = ("summary_interval", "report_interval", "report_window")  # without them it counts nothing of the kind
_OUTBOUND = {"address": f"{_lab['gateway']}:15998", "transport": "udp"}

site = {
    **_media,
    "hosts": {
        name: {**host, "roles": [*host["roles"], *(["agents", "alertmanager"] if name == _first else [])]}
        for name, host in _media["hosts"].items()
    },
    "edge": {"tls": "internal", "hsts_days": 1},  # certificates have an end
    "livekit": {
        **_media["livekit"],
        "turn": _tls["livekit"]["turn"],
        "extra": {"rtc": {"forward_stats": dict.fromkeys(_FORWARD, "5s")}},
    },
    "sip": _media["sip"]
    | {
        # tests/watch is also who is called
        "trunks": {"carrier": _media["sip"]["trunks"]["carrier"] | {"outbound": _OUTBOUND}},
    },
    # One fleet, in Python: each says the same of itself.
    "agents": {"redispatch": True, "echo": _agents["agents"]["echo"]},
    "prometheus": {
        "interval": 5,
        "quiet": ["CpuBusy", "KernelDropsPackets"],  # of a machine that others share
        "remote_write": [{"url": f"http://{_lab['gateway']}:18099/write"}],  # tests/watch listens there
    },
    "alertmanager": {
        "receivers": {"people": {"webhook_configs": [{"url": f"http://{_lab['gateway']}:18099/"}]}},
        "wait": "1s",
    },
}

hosts = load(site, __file__)
