"""The lab with the media daemons, on its first host.

ARTIFACTS names a directory with their programs (egress, ingress, livekit-sip); for those that are not in it there are
stand-ins that keep the same contract, and ingress is built from its Go module. This machine is the carrier of calls.
"""

import hashlib
import os
from pathlib import Path

from lab.state import facts
from livekit_metal import load

_lab = facts()  # what `python -m lab up` has made
_first = next(iter(_lab["hosts"]))
_standins = Path(__file__).absolute().parents[1] / "tests" / "standins"
_given = Path(os.environ.get("ARTIFACTS") or _standins).absolute()


def _program(name: str, release: str) -> dict[str, str]:
    file = next(there for folder in (_given, _standins) if (there := folder / name).exists())
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

_ingress = (_program("ingress", "1.5.0") if (_given / "ingress").exists() else {}) | {
    "process_list": "hide",
    # Likewise: nothing is refused for want of cores.
    "cpu_cost": {"rtmp": 0.01, "whip": 0.01, "url": 0.01, "whip_bypass": 0.01, "min_idle": 0.01},
}

_sip = _program("livekit-sip", "1.11.0") | {
    "rtp": "10000-10299",
    "max_cpu": 1.0,  # likewise
    "trunks": {"carrier": {"networks": [_lab["gateway"] + "/32"], "numbers": ["+15550100", "+15550101"]}},
    "rules": {
        "hotline": {"trunks": ["carrier"], "numbers": ["+15550100"], "room": "hotline"},
        "lobby": {"trunks": ["carrier"], "numbers": ["+15550101"], "room": "lobby"},
    },
}

site = {
    "hosts": {
        _name: {
            "address": _at["address"],
            "roles": ["livekit", "egress", "ingress", "sip", "redis", "prometheus"] if _name == _first else ["livekit"],
            "ssh": {
                "user": _lab["login"],
                "key": _lab["key"],
                "known_hosts": _lab["known_hosts"],
                "config": "/dev/null",
            },
        }
        for _name, _at in _lab["hosts"].items()
    },
    "secrets": _lab["directory"] + "/lab.secrets",
    "secrets_key": _lab["directory"] + "/lab.key",
    "firewall": {"admin": [_lab["gateway"] + "/32"]},
    "livekit": {"release": "1.13.5", "source": "module", "media_udp": "50000-50299"},
    "egress": _egress,
    "ingress": _ingress,
    "sip": _sip,
}

hosts = load(site, __file__)
