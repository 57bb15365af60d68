"""An inventory: the site of INVENTORY with RETENTION days of metrics, and its hosts elsewhere (AT).

AT is host -> [address, port]. The days are a change of one line; another place is a forwarder that is a long line.
"""

import json
import os
import runpy

import livekit_metal

_at = json.loads(os.environ["AT"])
_load = livekit_metal.load
livekit_metal.load = lambda *_: []
try:
    site = runpy.run_path(os.environ["INVENTORY"])["site"]
finally:
    livekit_metal.load = _load
site["prometheus"] = dict(site.get("prometheus", {})) | {"retention_days": int(os.environ["RETENTION"])}

hosts: list[tuple[str, dict[str, object]]] = [
    (
        name,
        data
        | {"ssh_hostname": _at[name][0], "ssh_port": _at[name][1], "ssh_known_hosts_file": os.environ["KNOWN_HOSTS"]},
    )
    for name, data in _load(site, os.environ["INVENTORY"])
]
