"""The firewall: one nftables table, replaced as a whole, and never in a way that locks the operator out.

A change is loaded with a timer armed that brings the confirmed rules back; only a *new* SSH connection from here
disarms it, and only then do the new rules go where the host loads them from at boot. A deploy that dies in between
is undone by the timer. The confirmed rules are those that livekit-firewall.service loads; nothing else remembers them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.core.ports import Port
from livekit_metal.roles.firewall.relays import Former, still
from livekit_metal.roles.firewall.rules import admits, kept, rules
from livekit_metal.roles.firewall.settings import ROLLBACK, TABLE, UNIT, Settings
from livekit_metal.roles.firewall.state import Observed, observed, probe
from livekit_metal.roles.firewall.way_in import (
    FRESH_TABLE,
    QUERY,
    WayIn,
    carriers,
    fresh_table,
    refused,
    way_in,
)
from livekit_metal.runtime.host import files, ssh
from livekit_metal.runtime.host.commands import HostError, run
from livekit_metal.runtime.host.files import File, bundle
from livekit_metal.runtime.host.service import UNITS, restart
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.parallel import in_parallel
from livekit_metal.runtime.run.task import Action, Plan, Task

_FALLBACK = "fallback"
_BACK = "the old rules come back by themselves within {} s"

_LOAD, _UNDO, _CONFIRM = (shell.program(__file__, name) for name in ("load", "undo", "confirm"))
_RESTORE = (shell.program(__file__, "restore"), UNIT, TABLE, FRESH_TABLE)
# What carries the way in counts as new while the login is tried; see way_in.py.
_FRESH, _USUAL = "nft -f -", f"nft delete table inet {FRESH_TABLE}"


def prepare(settings: Settings) -> None:
    """Refuse rules that would keep out whoever deploys, before anything is changed on any host."""
    _, stamp = _main(settings)

    def plan(seen: HostState) -> Plan:
        _lets_us_in(settings, observed(seen), way_in(seen))
        return Plan()

    in_parallel(
        Task("firewall", StateQuery(queries=(probe(settings, stamp), QUERY)), plan), "Firewall: the way back in"
    )


Prove = Callable[[Host], str]  # a call through what serves on the host: why it fails; '' when it works


def activate(settings: Settings, prove: Prove | None = None) -> Task:
    """Have exactly the site's ports open, now and at boot. ``prove``: what must work as well after it as before."""
    wanted, stamp = _main(settings)
    boot = _boot_files(settings)
    needs = StateQuery(units=frozenset({UNIT, f"{ROLLBACK}.timer"}), queries=(probe(settings, stamp), QUERY))
    return Task("firewall", needs | files.needs((wanted, *boot)), partial(_plan, settings, wanted, stamp, prove=prove))


def _main(settings: Settings, beyond: tuple[Port, ...] = (), former: tuple[Former, ...] = ()) -> tuple[File, str]:
    """main.nft, and its stamp: a hash of all of it but the stamp itself."""
    unstamped = files.text("firewall/main.nft.j2", firewall=rules(settings, beyond, former=former))
    stamp = File(settings.main, unstamped).sha256[:16]
    stamped = files.text("firewall/main.nft.j2", firewall=rules(settings, beyond, stamp, former))
    return File(settings.main, stamped), stamp


def _boot_files(settings: Settings) -> tuple[File, File]:
    fallback = files.text("firewall/fallback.nft.j2", firewall=rules(settings, stamp=_FALLBACK))
    unit = files.text("firewall/livekit-firewall.service.j2", firewall=settings)
    return File(settings.fallback, fallback), File(f"{UNITS}/{UNIT}", unit)


def _plan(settings: Settings, wanted: File, stamp: str, seen: HostState, *, prove: Prove | None) -> Plan:
    now = observed(seen)
    way = way_in(seen)
    _lets_us_in(settings, now, way)
    beyond, former = kept(settings, now.opened, now.bound), still(settings, now.relays, now.bound, now.age)
    if beyond or former:
        wanted, stamp = _main(settings, beyond, former)
    armed = seen.unit(f"{ROLLBACK}.timer", "ActiveState") == "active"
    confirmed = now.stamp == stamp and now.intact and wanted.current(seen) and not armed
    steps = () if confirmed else _change(settings, wanted, stamp, prove, way)
    summary = "" if confirmed else f"rules {now.stamp or '(none)'} -> {stamp}"
    return Plan((*steps, *_boot(_boot_files(settings), seen)), summary, _notes(now, beyond))


def _lets_us_in(settings: Settings, now: Observed, way: WayIn) -> None:
    """Raises HostError when the rules would keep out the address that this deploy comes from, or what carries it."""
    if not settings.filters:
        return
    if now.source and not admits(settings, now.source):
        own = f"{now.source}/{128 if ':' in now.source else 32}"
        raise HostError(f"firewall.admin: your own address {now.source} is not in it; add {own!r}")
    if why := refused(settings, way):
        raise HostError(why)


def _change(settings: Settings, wanted: File, stamp: str, prove: Prove | None, way: WayIn) -> tuple[Action, ...]:
    new, within = f"{wanted.path}.new", settings.confirm
    carried = carriers(settings, way)
    through = f" (by {way.through}: what carries it was judged as new)" if carried else ""

    def load(host: Host) -> None:
        files.show(host, [wanted])
        run(host, _LOAD, new, str(within), ROLLBACK, *_RESTORE, stdin=wanted.text)

    def log_in(host: Host) -> None:
        try:
            if carried:
                run(host, _FRESH, stdin=fresh_table(settings, carried), timeout=max(5, within // 4))
            ssh.new_login(host, within / 2)
            if carried:
                run(host, _USUAL, timeout=max(5, within // 4))
        except HostError as error:
            raise HostError(
                f"{error}{through}; {_BACK.format(within)}: check firewall.admin and hosts.*.ssh.port, "
                "then run the same command again"
            ) from error

    def talk(host: Host) -> str:
        why = prove(host) if prove else ""
        if why in ("", "-"):  # "-": nothing serves yet
            return ""
        run(host, _UNDO, new, ROLLBACK, *_RESTORE)  # are the new rules to blame? The previous ones will tell
        if prove and not prove(host):
            raise HostError(
                f"no call gets through the new rules: {why}; the old ones are back, and a call gets through"
            )
        load(host)
        log_in(host)
        return f"confirmed by a new login alone: no call gets through the old rules either ({why})"

    return (
        Action(f"load the rules (they go after {within} s unless confirmed)", load),
        Action("log in again", log_in),
        *([Action("call through what serves", talk)] if prove else []),
        Action("confirm the rules", lambda host: run(host, _CONFIRM, new, wanted.path, stamp, ROLLBACK, TABLE)),
    )


def _boot(boot: tuple[File, File], seen: HostState) -> tuple[Action, ...]:
    """What loads the rules at boot. Starting it loads the confirmed rules once more: the way of a boot is tried."""
    fallback, unit = boot
    steps = list(bundle(boot, seen, lambda new: f"nft -c -f {new(fallback.path)}"))
    if seen.unit(UNIT, "UnitFileState") != "enabled" or not unit.current(seen):
        enable = "systemctl daemon-reload; systemctl -q enable $1"
        steps.append(Action(f"enable {UNIT}", lambda host: run(host, enable, UNIT)))
    if seen.unit(UNIT, "ActiveState") != "active":
        steps.append(Action(f"start {UNIT}", lambda host: restart(host, UNIT)))
    return tuple(steps)


def _notes(now: Observed, beyond: tuple[Port, ...]) -> tuple[str, ...]:
    notes = [f"{p.range}/{p.proto} stays open: {p.purpose}; a deploy after its end closes it" for p in beyond]
    if now.stamp == _FALLBACK:
        notes.append(f"the minimum was in force, the rules could not be loaded at boot; journalctl -u {UNIT} says why")
    return tuple(notes)
