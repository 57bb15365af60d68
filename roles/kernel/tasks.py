"""Kernel settings: written for the next boot, set now, and compared with what is then in force.

A key that this host cannot set (containers, lean kernels) is a finding with its consequence and no reason to change
anything; a key that is there and does not take its value is a failure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from pyinfra.api.host import Host

from livekit_metal.roles.kernel import reserved
from livekit_metal.roles.kernel.keys import CONNTRACK, Key, exactly, keys
from livekit_metal.roles.kernel.settings import FILE, MODULES, RESERVED, Settings
from livekit_metal.roles.kernel.state import Observed, observed, plain, probe
from livekit_metal.runtime.host import files
from livekit_metal.runtime.host.commands import HostError, read, run
from livekit_metal.runtime.host.files import File, bundle
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.task import Action, Plan, Task


@dataclass(frozen=True, slots=True)
class Sysctls:
    """The template's variable."""

    values: Mapping[str, str]  # of every key that can be set on this host
    others: str  # ports that are reserved for others
    redis: bool
    extra: tuple[str, ...]


def activate(settings: Settings) -> Task:
    """Have the kernel take what media needs, now and at boot."""
    names = (RESERVED, *(key.name for key in keys(settings)))
    needs = StateQuery(
        files=frozenset({FILE, MODULES}),
        sysctls=frozenset(names),
        queries=(probe(names, settings.rules, settings.relays),),
    )
    return Task("kernel", needs, partial(_plan, settings))


def _plan(settings: Settings, seen: HostState) -> Plan:
    answer = observed(seen)
    now = {name: plain(value) for name, value in seen.sysctls.items()}
    others = reserved.others(now.get(RESERVED, ""), answer.found, answer.written)
    ports = reserved.text((*settings.reserved, *answer.relays, *others))
    lent = "an outgoing connection of this host may take a port before its daemon does"
    wanted = (Key(RESERVED, exactly(ports), lent), *keys(settings))
    values = {key.name: key.value(now.get(key.name, "")) for key in wanted if _settable(key.name, now, answer)}
    stale = {name: value for name, value in values.items() if now.get(name) != value}
    variable = Sysctls(values, reserved.text(others), settings.redis, _extra(settings))
    steps = list(bundle(_files(variable, answer.module), seen))
    if answer.module and not any(name.startswith(CONNTRACK) for name in now):
        steps.append(Action("load nf_conntrack", lambda host: run(host, "modprobe nf_conntrack")))
    if stale:
        steps.append(Action(f"set {', '.join(sorted(stale))}", partial(_set, values=stale)))
    summary = f"{len(stale)} keys set" if stale else ""
    return Plan(tuple(steps), summary, (*_lost(wanted, now, values), *_overridden(answer, values)))


def _settable(name: str, now: Mapping[str, str], answer: Observed) -> bool:
    there = name in now or (answer.module and name.startswith(CONNTRACK))
    return there and name not in answer.locked


def _extra(settings: Settings) -> tuple[str, ...]:
    """Names in kernel.extra that have no place of their own in the template."""
    own = {key.name for key in keys(Settings(redis=settings.redis))}
    return tuple(name for name in settings.extra if name not in own)


def _files(variable: Sysctls, module: bool) -> tuple[File, ...]:
    conf = File(FILE, files.text("kernel/60-livekit-metal.conf.j2", kernel=variable))
    if not module:
        return (conf,)
    return conf, File(MODULES, files.text("kernel/livekit-metal.conf.j2", kernel=variable))


def _set(host: Host, values: Mapping[str, str]) -> None:
    """Set just these keys, and compare: a kernel may accept a value and keep another."""
    run(host, 'sysctl -q -w -- "$@"', *(f"{name}={value}" for name, value in values.items()))
    for line in read(host, 'sysctl -- "$@"', *values).splitlines():
        name, _, value = line.partition(" =")
        if plain(value) != values[name]:
            fact = f"{name} is {plain(value)!r} after it was set to {values[name]!r}"
            raise HostError(f"{fact}; look for what else sets it on this host")


def _lost(wanted: tuple[Key, ...], now: Mapping[str, str], values: Mapping[str, str]) -> Iterator[str]:
    """Findings: keys that cannot be set here and have no sufficient value, together where they mean the same."""
    findings: dict[tuple[str, str], list[str]] = {}
    for key in wanted:
        if key.name not in values and now.get(key.name) != key.value(now.get(key.name, "")):
            why = "cannot be set here" if key.name in now else "absent here"
            findings.setdefault((why, key.without), []).append(key.name)
    for (why, without), names in findings.items():
        be = "" if why.startswith("cannot") else ("is " if len(names) == 1 else "are ")
        yield f"{', '.join(names)} {be}{why} (a container?): {without}"


def _overridden(answer: Observed, values: Mapping[str, str]) -> Iterator[str]:
    """Findings: files that will undo a value at the next boot."""
    for file, name, value in answer.later:
        if values.get(name, value) != value:
            yield f"{file} sets {name} to {value} at the next boot, after us; remove that line"
