"""Which server our Redis is: its packages and units on a host, and where it is not to be had."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.roles.base.settings import Settings as Base
from livekit_metal.roles.redis import preflight
from livekit_metal.roles.redis.settings import Server, Settings
from livekit_metal.site.model import Site
from tests.roles.preflight.test_preflight import host
from tests.support.values.sites import SINGLE

WITHOUT = (
    "redis.server: is valkey, and lk1 has Debian 12, which has no package of it; "
    "write redis, or take a host with Debian 13 or Ubuntu 24.04 or newer"
)


@pytest.mark.parametrize(
    ("server", "os", "expected"),
    [
        ("valkey", "debian 12", [WITHOUT]),
        ("valkey", "debian 13", []),
        ("valkey", "ubuntu 26.04", []),
        ("redis", "debian 12", []),
    ],
)
def test_valkey_is_refused_where_the_distribution_has_none(
    single: Site, server: Server, os: str, expected: list[str]
) -> None:
    stack = single.for_host("lk1")
    own = dataclasses.replace(stack.the(Settings), server=server)
    found = list(preflight.findings(own, stack.preflight, host(os=[os])))
    assert [str(f.problem) for f in found] == expected
    assert all(f.stops for f in found)


@pytest.mark.parametrize(("server", "other"), [("redis", "valkey"), ("valkey", "redis")])
def test_a_host_gets_the_packages_of_its_server_alone(
    make_site: Callable[[dict[str, Any]], Site], server: str, other: str
) -> None:
    """The other's unit would take the same port with the next boot, where somebody has installed it."""
    base = make_site(copy.deepcopy(SINGLE) | {"redis": {"server": server}}).for_host("lk1").the(Base)
    assert {f"{server}-server", f"{server}-tools"} <= set(base.needed)
    assert not [name for name in base.needed if name.startswith(other)]
    assert {"redis-server.service", "valkey-server.service"} <= set(base.masked)
