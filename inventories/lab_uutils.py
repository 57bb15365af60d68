"""The lab with what Ubuntu 26.04 has instead: Valkey is its Redis.

`python -m tests.run uutils` puts the rest on a host of Debian 13 before its first deploy: sudo-rs and the coreutils of
uutils (tests/uutils/conftest.py). What differs between the systems is proved so, Ubuntu itself is not.
"""

from livekit_metal import load

from inventories.lab import site as _lab_site  # isort: skip

site = {**_lab_site, "redis": {"server": "valkey"}}

hosts = load(site, __file__)
