"""The lab with two fleets of agents, one in Python and one for Node, and lk: that in ARTIFACTS, or a stand-in."""

import hashlib
import os
from pathlib import Path

from lab.state import facts
from livekit_metal import load

_lab = facts()  # what `python -m lab up` has made
_first = next(iter(_lab["hosts"]))
_examples = Path(__file__).absolute().parents[1] / "examples" / "agents"
_standins = Path(__file__).absolute().parents[1] / "tests" / "standins"
_lk = next(
    there for folder in (os.environ.get("ARTIFACTS"), _standins) if (there := Path(folder or "/-") / "lk").exists()
)
_echo = os.environ.get("AGENT") or str(_examples / "echo-python")

site = {
    "hosts": {
        _name: {
            "address": _at["address"],
            "roles": ["livekit", "redis", "prometheus", "agents", "lk"] if _name == _first else ["livekit", "agents"],
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
    "lk": {
        "release": "2.16.4",
        "source": "file",
        "file": str(_lk),
        "sha256": hashlib.sha256(_lk.read_bytes()).hexdigest(),
    },
    "agents": {
        "echo": {
            "source": {"python": _echo, "interpreter": "3.11"},
            "speaks": True,
            "environment": {"GREETING": os.environ.get("GREETING", "hello")},
            "load_threshold": 1,  # of a machine that others share
            "drain": {"deadline": "10m"},
        },
        "parrot": {
            "source": {"node": str(_examples / "echo-node"), "interpreter": "18"},
            "speaks": True,
            "health": "9620-9622",
            "load_threshold": 1,
            "drain": {"deadline": "10m"},
        },
    },
}

hosts = load(site, __file__)
