"""From where on something is worth telling people, with the reason."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, option

_SHARES = (
    "errors",
    "join_failures",
    "loss",
    "nacks",
    "udp_errors",
    "cpu",
    "fullness",
    "redis_memory",
    "disk_free",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds(Checked):
    """When alerts fire; docs/runbook.md says what each means."""

    errors: float = option(1.0, "% of requests of clients answered 5xx: the edge tries another host before it says so")
    join_failures: float = option(
        20.0, "% of joins, or calls by phone, that end without media: single clients behind bad networks always do"
    )
    join_seconds: float = option(5.0, "s from token to media, of 19 in 20 joins: buckets of upstream end at ten")
    loss: float = option(5.0, "% of packets lost on average: Opus conceals less than that, video begins to freeze")
    nacks: float = option(5.0, "% of packets asked for again: as for loss, seen from who receives")
    jitter_ms: float = option(50.0, "ms on average: more than clients' buffers take without a longer delay")
    udp_errors: float = option(
        0.1, "% of datagrams dropped for want of a receive buffer: of our own host, so none is fine"
    )
    cpu: float = option(80.0, "% of all cores for 10 minutes: peaks of seconds are above it, and packets wait in them")
    fullness: float = option(80.0, "% of connections, connection table, descriptors: at 100 % newcomers are refused")
    certificate_days: float = option(14.0, "days left: ACME renews at 30, so two weeks of it have failed")
    redis_memory: float = option(80.0, "% of redis.max_memory_mb: at 100 % it refuses writes, and with it joins")
    clock_ms: float = option(500.0, "ms off: tokens made elsewhere are refused, nodes leave the cluster at 5 s")
    disk_free: float = option(10.0, "% left of a file system: recordings and Redis' log stop at 0")
    drain_minutes: float = option(30.0, "minutes until a slot that drains is killed with who is on it")
    lock_minutes: float = option(
        60.0, "minutes that a run has a host: a deploy of it takes a few, and nobody else can deploy meanwhile"
    )
    maintenance_hours: float = option(24.0, "hours out of service: more is forgotten rather than meant")
    old_code_days: float = option(7.0, "days that a process runs a library which an update has replaced")

    def problems(self, path: str) -> Iterator[Problem]:
        for field in dataclasses.fields(self):
            if (value := getattr(self, field.name)) <= 0:
                yield Problem(
                    f"{path}.{field.name}", f"is {value:g}", "write more than 0; prometheus.quiet turns one off"
                )
            elif field.name in _SHARES and value >= 100:
                yield Problem(f"{path}.{field.name}", f"is {value:g}", "write a share below 100")
