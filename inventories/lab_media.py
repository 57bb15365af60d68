"""The lab with the media daemons, on its first host.

ARTIFACTS names a directory with their programs (egress, ...); without it, stand-ins that keep the same contract, and
ingress is built from its Go module.
"""

import hashlib
import os
from pathlib import Path

from lab.state import facts
from stack.inventory import load

_lab = facts()  # what `python -m lab up` has made
_first = next(iter(_lab["hosts"]))
_programs = Path(os.environ.get("ARTIFACTS") or Path(__file__).parents[1] / "tests" / "standins").absolute()


def _program(name: str, release: str) -> dict[str, str]:
    file = _programs / name
    return {
        "release": release,
        "source": "file",
        "file": str(file),
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }


_egress = _program("egress", "1.14.1") | {
    "records": ["track", "track_composite"],
    "presets": {"record-tracks": "{room_name}/{publisher_identity}-{track_id}"},
    "drain": {"deadline": "1h"},
    # The machine is shared: a recording must not be refused because somebody builds something on it.
    "extra": {"cpu_cost": {"track_cpu_cost": 0.01, "track_composite_cpu_cost": 0.01, "max_cpu_utilization": 1}},
}

_ingress = (_program("ingress", "1.5.0") if (_programs / "ingress").exists() else {}) | {
    "process_list": "hide",
    # Likewise: nothing is refused for want of cores.
    "cpu_cost": {"rtmp": 0.01, "whip": 0.01, "url": 0.01, "whip_bypass": 0.01, "min_idle": 0.01},
}

site = {
    "hosts": {
        _name: {
            "address": _at["address"],
            "roles": ["livekit", "egress", "ingress", "redis", "prometheus"] if _name == _first else ["livekit"],
            "ssh": {"key": _lab["key"], "known_hosts": _lab["known_hosts"], "config": "/dev/null"},
        }
        for _name, _at in _lab["hosts"].items()
    },
    "secrets": _lab["directory"] + "/lab.secrets",
    "secrets_key": _lab["directory"] + "/lab.key",
    "firewall": {"admin": [_lab["gateway"] + "/32"]},
    "livekit": {"release": "1.13.5", "source": "module", "media_udp": "50000-50299"},
    "egress": _egress,
    "ingress": _ingress,
}

hosts = load(site, __file__)
