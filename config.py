"""pyinfra reads this before any inventory: what holds for every run of this project."""

from pyinfra import config

from roles._kit import cli

config.REQUIRE_PYINFRA_VERSION = ">=3.10,<4"
config.FAIL_PERCENT = 0  # one failed host stops the rest
config.PARALLEL = 64  # above the number of hosts: a full pool would make Ctrl-C wait for running commands

cli.install()
