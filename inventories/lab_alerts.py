"""The lab with Alertmanager, which tells a program on this machine. Prometheus looks often: tests need not wait.

LAB=NAME .venv/bin/python -m lab demo --inventory inventories/lab_alerts.py
"""

from lab.state import facts
from livekit_metal import load

from inventories.lab import site as _lab_site  # isort: skip

_first = next(iter(_lab_site["hosts"]))
_PEOPLE = f"http://{facts()['gateway']}:18099/"  # tests/faults/alerts listens there

site = {
    **_lab_site,
    "hosts": {
        name: {**host, "roles": [*host["roles"], *(["alertmanager"] if name == _first else [])]}
        for name, host in _lab_site["hosts"].items()
    },
    "prometheus": {
        "interval": 5,
        "quiet": ["CpuBusy", "KernelDropsPackets"],  # of a machine that others share
        "remote_write": [{"url": f"{_PEOPLE}write"}],
    },
    "base": {"journal": {"max_mb": 256, "max_age": "7d"}},
    "alertmanager": {"receivers": {"people": {"webhook_configs": [{"url": _PEOPLE}]}}, "wait": "1s"},
}

hosts = load(site, __file__)
