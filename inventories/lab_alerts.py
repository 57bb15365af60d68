"""The lab with Alertmanager, which tells a program on this machine. Prometheus looks often: tests need not wait.

GRAFANA names upstream's archive or package; without it a stand-in keeps the same contract.

LAB=NAME .venv/bin/python -m lab demo --inventory inventories/lab_alerts.py
"""

import hashlib
import os
from pathlib import Path

from lab.state import facts
from livekit_metal import load

from inventories.lab import site as _lab_site  # isort: skip
from tests.support.artifacts.grafana import archive  # isort: skip

_first = next(iter(_lab_site["hosts"]))
_PEOPLE = f"http://{facts()['gateway']}:18099/"  # tests/faults/alerts listens there
if _given := os.environ.get("GRAFANA"):
    _file, _sum = _given, hashlib.sha256(Path(_given).read_bytes()).hexdigest()
else:
    _file, _sum = archive(Path(facts()["directory"]))

site = {
    **_lab_site,
    "hosts": {
        name: {**host, "roles": [*host["roles"], *(["alertmanager", "grafana"] if name == _first else [])]}
        for name, host in _lab_site["hosts"].items()
    },
    "prometheus": {
        "interval": 5,
        "quiet": ["CpuBusy", "KernelDropsPackets"],  # of a machine that others share
        "remote_write": [{"url": f"{_PEOPLE}write"}],
    },
    "base": {"journal": {"max_mb": 256, "max_age": "7d"}},
    "grafana": {"file": _file, "sha256": _sum},
    "alertmanager": {"receivers": {"people": {"webhook_configs": [{"url": _PEOPLE}]}}, "wait": "1s"},
}

hosts = load(site, __file__)
