"""pyinfra reads this before any inventory: what holds for every run of this project."""

from pyinfra import config

from livekit_metal.runtime.run import pyinfra_patches

config.REQUIRE_PYINFRA_VERSION = ">=3.10,<4"
config.FAIL_PERCENT = 0  # one failed host stops the rest
config.PARALLEL = 64  # above the number of hosts: a full pool would make Ctrl-C wait for running commands

pyinfra_patches.install()
