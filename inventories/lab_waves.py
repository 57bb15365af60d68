"""Ten hosts that change in waves; Redis is in the middle of the list, where it goes alone because it is Redis.

LAB=NAME .venv/bin/python -m lab demo --hosts 10 --inventory inventories/lab_waves.py
"""

from livekit_metal import load

from inventories.lab import site as _lab  # isort: skip

_names = list(_lab["hosts"])
_keeper = _names[len(_names) // 2 - 1]

site = {
    **_lab,
    "hosts": {
        name: {**host, "roles": ["livekit", "redis", "prometheus"] if name == _keeper else ["livekit"]}
        for name, host in _lab["hosts"].items()
    },
    "rollout": {"canary": 1, "wave": 3},
}

hosts = load(site, __file__)
