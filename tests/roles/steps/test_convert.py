"""What a change of Redis' server does with the data, where it cannot be done; a lab proves the rest (tests/uutils)."""

from __future__ import annotations

import pytest

from livekit_metal.roles.redis.settings import UNIT
from livekit_metal.roles.redis.tasks import _CONVERT
from livekit_metal.runtime.host.commands import HostError
from tests.support.hosts.local_host import LocalHost
from tests.support.hosts.stand_ins import Units

DATA = "/var/lib/livekit-metal/redis"


def test_where_the_data_cannot_be_written_again_the_unit_goes_on_as_it_was(local: LocalHost, units: Units) -> None:
    units[UNIT] = "active"
    local.write(f"{DATA}/appendonlydir/appendonly.aof.manifest", "not one\n")
    server = local.place / "bin/redis-server"
    server.write_text("#!/bin/sh\nexit 1\n")
    server.chmod(0o755)
    with pytest.raises(HostError):
        local.run(_CONVERT, UNIT, DATA, "redis", "valkey")
    called = local.noted("systemctl")
    assert called.index(f"stop {UNIT}") < called.index(f"start {UNIT}")
    assert units[UNIT] == "active"
    assert local.path(f"{DATA}/appendonlydir/appendonly.aof.manifest").read_text() == "not one\n"
