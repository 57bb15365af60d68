"""Whether a host has the cores, the memory and the disk for what the site wants of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from livekit_metal.core.errors import Problem
from livekit_metal.roles.preflight.finding import Finding, finding, one
from livekit_metal.roles.preflight.settings import Settings
from livekit_metal.runtime.host.state import HostState


def size(settings: Settings, seen: HostState) -> Iterator[Finding]:
    cores = int(one(seen, "cores") or 0)
    if settings.media_ports_per_slot and settings.media_ports_per_slot < cores:
        fact = f"has {settings.media_ports_per_slot} ports per slot and the host {cores} cores"
        remedy = "widen it: a slot binds one port for each core"
        yield Finding(Problem("livekit.media_udp", f"{fact} ({settings.host})", remedy))
    memory = int(one(seen, "memory") or 0) // 1024
    if memory < settings.min_memory_mb:
        yield finding(
            settings, "memory", f"is {memory} MB", f"give it {settings.min_memory_mb} MB (preflight.min_memory_mb)"
        )
    free = {line.split()[1]: int(line.split()[0]) for line in seen.answers["preflight.space"]}
    for directory, megabytes in free.items():
        if megabytes < settings.min_disk_mb:
            remedy = f"free {settings.min_disk_mb} MB there (preflight.min_disk_mb)"
            yield finding(settings, "disk", f"{directory} has {megabytes} MB left", remedy)


def demands(settings: Settings, seen: HostState) -> Iterator[Finding]:
    """What the site wants of this very host."""
    cores, memory = int(one(seen, "cores") or 0), int(one(seen, "memory") or 0) // 1024
    free = {line.split()[1]: int(line.split()[0]) for line in seen.answers["preflight.space"]}
    for each in settings.demands:
        if cores < each.cores:
            fact = f"{each.what} needs {each.cores:g} cores, {settings.host} has {cores}"
            remedy = "take it off the list, or give the host more: it would refuse every request of that kind"
            yield Finding(Problem(each.path, fact, remedy))
        if each.memory_mb and memory < settings.min_memory_mb + each.memory_mb:
            fact = f"{each.what} takes {each.memory_mb} MB of memory besides {settings.min_memory_mb} MB for the rest, "
            fact += f"{settings.host} has {memory} MB"
            yield Finding(Problem(each.path, fact, "take it off the list, or give the host more"))
        # the nearest directory that exists answers for one that does not
        there = max((d for d in free if f"{each.directory}/".startswith(f"{d.rstrip('/')}/")), key=len, default="")
        if each.megabytes and there and free[there] < each.megabytes:
            fact = f"{each.what} need {each.megabytes} MB in {each.directory}, {settings.host} has {free[there]}"
            yield Finding(Problem(each.path, fact, "lower it, or make room there"))


def load(settings: Settings, seen: HostState) -> Iterator[Finding]:
    """Where the host falls short of the load that the site names. A word only: the numbers are for planning."""
    if not (need := settings.need):
        return
    cores, memory = int(one(seen, "cores") or 0), int(one(seen, "memory") or 0) // 1024
    speed = one(seen, "speed")
    link = int(speed) if speed.isdigit() else 0  # 0: unknown
    short = [
        *([f"{cores} cores, not {need.cores}"] if cores < need.cores else []),
        *([f"{memory} MB of memory, not {need.memory_mb}"] if memory < need.memory_mb else []),
        *([f"a link of {link} Mbit/s, not {need.mbit}"] if 0 < link < need.mbit else []),
    ]
    if short:
        remedy = (
            "give it more, or more hosts to share with (livekit_metal/core/sizing.py says where the numbers come from)"
        )
        yield finding(settings, "load", f"has {'; '.join(short)} for {need.why}", remedy, stops=False)
