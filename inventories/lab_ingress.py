"""The lab with ingress on its first host. ARTIFACTS=DIR names where its binary is."""

import hashlib
import os
from pathlib import Path

from stack.inventory import load

from inventories.lab import site as _lab_site  # isort: skip

_binary = Path(os.environ["ARTIFACTS"]) / "ingress"
_hosts = dict(_lab_site["hosts"])
_first = next(iter(_hosts))
_hosts[_first] = {**_hosts[_first], "roles": [*_hosts[_first]["roles"], "ingress"]}
site = {
    **_lab_site,
    "hosts": _hosts,
    "ingress": {
        "source": "file",
        "file": str(_binary),
        "sha256": hashlib.sha256(_binary.read_bytes()).hexdigest(),
        # two cores, and others use them too
        "cpu_cost": {"rtmp": 0.3, "whip": 0.3, "url": 0.3, "min_idle": 0.05},
        "process_list": "hide",
    },
}

hosts = load(site, __file__)
