"""The lab with every port and path moved: what is hard-coded anywhere fails under it (`make test` uses it)."""

from livekit_metal import load
from tests.support.values.sites import MOVED

from inventories.lab import site as _lab_site  # isort: skip

_livekit = {**_lab_site["livekit"], **MOVED["livekit"]}
site = {**_lab_site, **MOVED, "livekit": _livekit}

hosts = load(site, __file__)
