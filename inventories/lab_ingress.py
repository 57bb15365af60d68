"""The lab with ingress on its first host; ARTIFACTS names a directory with a program `ingress` to take instead."""

import hashlib
import os
from pathlib import Path

from stack.inventory import load

from inventories.lab import site as _lab_site  # isort: skip

_hosts = dict(_lab_site["hosts"])
_first = next(iter(_hosts))
_hosts[_first] = {**_hosts[_first], "roles": [*_hosts[_first]["roles"], "ingress"]}
_own = {}
if _directory := os.environ.get("ARTIFACTS"):
    _file = Path(_directory).absolute() / "ingress"
    _own = {"source": "file", "file": str(_file), "sha256": hashlib.sha256(_file.read_bytes()).hexdigest()}

site = {
    **_lab_site,
    "hosts": _hosts,
    "ingress": _own
    | {
        # The machine is shared and small: a stream must not be refused because somebody builds something on it.
        "cpu_cost": {"rtmp": 0.01, "whip": 0.01, "url": 0.01, "whip_bypass": 0.01, "min_idle": 0.01},
        "process_list": "hide",
    },
}

hosts = load(site, __file__)
