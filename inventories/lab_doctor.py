"""The lab with everything that the doctor looks at: TLS, TURN, IPv6, Redis on one host, media daemons on the other.

The hosts have what makes calls, for the doctor's ``--data from=HOST``.

LAB=NAME .venv/bin/python -m lab demo --hosts 2 --inventory inventories/lab_doctor.py
"""

from lab.state import facts
from livekit_metal import load

from inventories.lab_media import site as _media  # isort: skip
from inventories.lab_tls import site as _tls  # isort: skip

_lab = facts()
_first, *_others = _lab["hosts"]
_roles = {name: ["livekit", "egress", "ingress", "sip"] for name in _others} | {
    _first: ["livekit", "redis", "prometheus"]
}

site = {
    **_media,
    "hosts": {
        name: {**host, "roles": _roles[name], "ipv6": _lab["hosts"][name]["ipv6"]}
        for name, host in _media["hosts"].items()
    },
    "edge": _tls["edge"],
    "livekit": {**_media["livekit"], "turn": _tls["livekit"]["turn"], "probe": "host"},
}

hosts = load(site, __file__)
