"""The lab with phone calls: this machine is the carrier. SIP_FILE names a livekit-sip; without it the stand-in runs."""

import hashlib
import os
from pathlib import Path

from inventories.lab import site as _lab_site
from lab.state import facts
from stack.inventory import load

_file = Path(os.environ.get("SIP_FILE") or Path(__file__).parents[1] / "tests/standins/livekit-sip").resolve()

site = {
    **_lab_site,
    "hosts": {name: {**host, "roles": [*host["roles"], "sip"]} for name, host in _lab_site["hosts"].items()},
    "sip": {
        "file": str(_file),
        "sha256": hashlib.sha256(_file.read_bytes()).hexdigest(),
        "rtp": "10000-10299",
        "max_cpu": 1.0,  # the lab's machine is busy with other things
        "trunks": {"carrier": {"networks": [facts()["gateway"] + "/32"], "numbers": ["+15550100", "+15550101"]}},
        "rules": {
            "hotline": {"trunks": ["carrier"], "numbers": ["+15550100"], "room": "hotline"},
            "lobby": {"trunks": ["carrier"], "numbers": ["+15550101"], "room": "lobby"},
        },
    },
}

hosts = load(site, __file__)
