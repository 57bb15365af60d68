"""What is wrong with a host for Redis. Pure; every finding reads ``path: fact; remedy``."""

from __future__ import annotations

from collections.abc import Iterator

from livekit_metal.core.errors import Problem
from livekit_metal.roles.preflight.finding import Finding, one
from livekit_metal.roles.preflight.settings import Settings as Preflight
from livekit_metal.roles.redis.settings import Settings
from livekit_metal.runtime.host.state import HostState

_WITHOUT_VALKEY = "debian 12"  # of the systems that preflight lets through


def probes(_: Settings) -> tuple[tuple[str, str], ...]:
    """What preflight asks of a host besides: nothing."""
    return ()


def findings(own: Settings, preflight: Preflight, seen: HostState) -> Iterator[Finding]:
    """What its answers say."""
    if own.server == "valkey" and one(seen, "os") == _WITHOUT_VALKEY:
        fact = f"is valkey, and {preflight.host} has Debian 12, which has no package of it"
        remedy = "write redis, or take a host with Debian 13 or Ubuntu 24.04 or newer"
        yield Finding(Problem("redis.server", fact, remedy))
