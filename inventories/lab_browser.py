"""The lab whose first host records rooms and web pages, by Debian's browser.

ARTIFACTS names a directory with egress, its page embedded; without one there is a stand-in, which starts sound, display
and browser as egress does and writes no media.
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
_program = next(there for folder in (_given, _standins) if (there := folder / "egress").exists())
_kinds = ("room_composite", "audio_room_composite", "web", "audio_web", "participant", "track_composite", "track")

site = {
    "hosts": {
        _name: {
            "address": _at["address"],
            "roles": ["livekit", "egress", "redis"] if _name == _first else ["livekit"],
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
    "egress": {
        "release": "1.14.1",
        "source": "file",
        "file": str(_program),
        "sha256": hashlib.sha256(_program.read_bytes()).hexdigest(),
        "profile": "full",
        "records": ["track", "room_composite", "web"],
        "drain": {"deadline": "1h"},
        # The machine is shared: no recording is to be refused, or ended, because somebody builds something on it.
        "extra": {"cpu_cost": {f"{_kind}_cpu_cost": 0.01 for _kind in _kinds} | {"max_cpu_utilization": 1}},
    },
}

hosts = load(site, __file__)
