"""The lab with every port and path moved: what is hard-coded anywhere fails under it (`make test` uses it).

The first host has settings of its own, also of what is behind its edge. Addresses inside and outside need
livekit-server 1.13.6, which cannot be built from its module: the same site without hosts has them, see
tests/support/values/sites.py.
"""

from livekit_metal import load
from tests.support.values.sites import MOVED, OWN

from inventories.lab import site as _lab_site  # isort: skip

_first, *_ = _lab_site["hosts"]
_hosts = {**_lab_site["hosts"], _first: {**_lab_site["hosts"][_first], "settings": OWN}}
_livekit = {**_lab_site["livekit"], **MOVED["livekit"]}
site = {**_lab_site, **MOVED, "livekit": _livekit, "hosts": _hosts}

hosts = load(site, __file__)
