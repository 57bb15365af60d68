"""The lab on this machine (`make lab`). LAB=NAME in the environment names another than the default one."""

from lab.state import facts
from livekit_metal import load

_lab = facts()  # what `python -m lab up` has made
_first = next(iter(_lab["hosts"]))

site = {
    "hosts": {
        _name: {
            "address": _at["address"],
            "roles": ["livekit", "redis", "prometheus"] if _name == _first else ["livekit"],
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
}

hosts = load(site, __file__)
