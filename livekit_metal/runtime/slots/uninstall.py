"""Taking a host back to what it was before livekit-metal came. Each step may be repeated."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.runtime.host.commands import HostError, run
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.task import Action, Plan, Task
from livekit_metal.runtime.slots.daemon import SlottedDaemon
from livekit_metal.site.footprint import Footprint

_PURGE = shell.program(__file__, "purge")

_STAY = "packages stay because"
_USERS = 'r=$1; shift; for u in "$@" $(cat "$r" 2>/dev/null); do ! getent passwd $u >/dev/null || userdel $u; done'
_STOP, _TABLES = (shell.program(__file__, name) for name in ("stop", "tables"))


def consent(name: str, confirmed: str, needed_by: tuple[str, ...]) -> Task:
    """Refuse a removal that nobody asked for (``confirmed`` is not ``name``) or that hosts ``needed_by`` would feel."""

    def plan(_: HostState) -> Plan:
        if confirmed != name:
            raise HostError(f"would take everything off {name}; say so: --limit {name} --data remove={name}")
        if needed_by:
            raise HostError(
                f"{', '.join(needed_by)} use the Redis of {name}; move it first (docs/operations/maintenance.md)"
            )
        return Plan()

    return Task("remove", StateQuery(), plan)


def removal(traces: Footprint, name: str, components: Iterable[SlottedDaemon[Any]], *, drop_calls: bool) -> Task:
    """Everything off the host ``name``, once nobody is on a slot of ``components`` any more."""
    components = tuple(components)
    needs = StateQuery(files=frozenset(traces.files), queries=tuple(each.query_all.probe for each in components))

    def plan(seen: HostState) -> Plan:
        left = ((each.count(seen.answers[each.query_all.name]), each.query_all.unit_noun) for each in components)
        people = " and ".join(f"{number} {unit_noun}" for number, unit_noun in left if number)
        if people and not drop_calls:
            raise HostError(
                f"{people} are still on {name}, which drains: nobody new comes; run the same again when "
                "procedures/status.py shows none, or drop their calls with --data calls=drop"
            )
        return Plan(_steps(traces), summary="removed")

    return Task("remove", needs, plan)


def _steps(traces: Footprint) -> tuple[Action, ...]:
    def run(name: str, script: str, *args: str, timeout: int = 120) -> Action:
        return Action(name, partial(_sh, script=script, args=args, timeout=timeout))

    units = (*traces.units, f"{traces.rollback}.timer", f"{traces.rollback}.service")
    unmask = (
        'for u in "$@"; do [ "$(readlink /etc/systemd/system/$u)" != /dev/null ] || rm /etc/systemd/system/$u; done'
    )
    return (
        run("stop units", _STOP, *units, timeout=600),
        run("remove the firewall's tables", _TABLES, *traces.tables),
        run("purge packages", _PURGE, traces.package_record, _STAY, timeout=600),
        run("unmask", f"{unmask}; systemctl daemon-reload", *traces.masked),
        run("remove files", 'rm -f -- "$@"', *traces.files),
        run("remove users", _USERS, traces.user_record, *traces.users),
        run("remove directories", 'rm -rf -- "$@" /run/livekit-metal', *traces.directories),
        run("remove empty directories", 'rmdir -- "$@" 2>/dev/null || :', *traces.parents),
        run("forget units", "systemctl daemon-reload; systemctl reset-failed 'livekit-*' 2>/dev/null || :"),
    )


def _sh(host: Host, script: str, args: tuple[str, ...], timeout: int) -> None:
    for line in run(host, script, *args, timeout=timeout).splitlines():
        if line.startswith(_STAY):
            host.log(f"remove: {line}")
