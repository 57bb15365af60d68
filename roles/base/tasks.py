"""Base: packages in one transaction, users, time, and no restart of our daemons by apt."""

from __future__ import annotations

import shlex
from functools import partial

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.core.errors import SiteError
from livekit_metal.roles.base import journal
from livekit_metal.roles.base.settings import NEEDRESTART, SYSUSERS, Settings
from livekit_metal.runtime.host import directories, files
from livekit_metal.runtime.host.commands import HostError, before_first_change, run
from livekit_metal.runtime.host.files import File, bundle
from livekit_metal.runtime.host.service import UNITS
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.parallel import in_parallel
from livekit_metal.runtime.run.task import Action, Plan, Task
from livekit_metal.vault.vault import Vault

_TIMESYNCD = "systemd-timesyncd"
_TIME_SERVICES = ("chrony*", "ntp*", "openntpd*", _TIMESYNCD)

_INSTALL = shell.program(__file__, "install")
# Each of them would have to go for systemd-timesyncd.
_TIME_PACKAGES = ("chrony", "ntp", "ntpsec", "openntpd")


def prepare(settings: Settings, vault: Vault) -> None:
    """Bring every host to where the roles can stand on it. The secrets are saved before anything else changes."""
    _save_first(vault)
    users = File(SYSUSERS, files.text("base/livekit-metal.sysusers.j2", base=settings))
    restarts = File(NEEDRESTART, files.text("base/livekit-metal.needrestart.j2", base=settings))
    # The second word keeps out a checkout from before serials: it compares the whole line, and knows no older file.
    fingerprint = File(settings.fingerprint_file, f"{settings.fingerprint} serial\n", "600")
    patterns = " ".join(f"'{name}.service'" for name in _TIME_SERVICES)
    stock = (unit.removesuffix(".service") for unit in settings.masked)
    needs = directories.needs(settings.config_root, settings.release_root, settings.state_root)
    needs |= (
        journal.needs(settings)
        | files.needs((users, restarts, fingerprint))
        | StateQuery(
            files=frozenset((settings.serial_file, *(_own_unit(unit) for unit in settings.masked))),
            packages=frozenset((*settings.needed, *settings.packages, *stock, _TIMESYNCD, *_TIME_PACKAGES)),
            units=frozenset(settings.masked),
            queries=(
                ("base.time", f"systemctl list-units --plain --no-legend --state=active {patterns} | cut -d. -f1"),
                ("base.users", f"getent passwd {shlex.join(settings.users)} | cut -d: -f1" if settings.users else ":"),
                ("base.container", "systemd-detect-virt -c"),
            ),
        )
    )

    def plan(seen: HostState) -> Plan:
        # known when preflight has seen all hosts: it may have raised it
        serial = File(settings.serial_file, f"{vault.coming}\n", "600")
        return _plan(settings, (fingerprint, serial, users, restarts), seen)

    in_parallel(Task("base", needs, plan), "Base")


def _save_first(vault: Vault) -> None:
    """Have the secrets on the controller's disk before any host gets one of them."""

    def save() -> None:
        try:
            vault.persist()
        except SiteError as error:
            raise HostError(str(error)) from error

    before_first_change(save)


def _plan(settings: Settings, wanted: tuple[File, ...], seen: HostState) -> Plan:
    packages, notes = _packages(settings, seen)
    missing = [p for p in packages if p not in seen.packages]
    steps: list[Action] = [*directories.actions(seen)]
    if stock := _to_mask(settings, seen):
        steps.append(Action(f"mask {', '.join(stock)}", lambda host: run(host, 'systemctl -q mask "$@"', *stock)))
    if missing:
        install = partial(_install, records=(settings.package_record, settings.user_record), packages=missing)
        steps.append(Action(f"install {', '.join(missing)}", install))
    steps += bundle(wanted, seen)
    steps += journal.actions(settings, seen)
    if set(settings.users) - set(seen.answers["base.users"]):
        steps.append(
            Action(f"make users {', '.join(settings.users)}", lambda host: run(host, "systemd-sysusers $1", SYSUSERS))
        )
    if _TIMESYNCD in packages and _TIMESYNCD not in seen.answers["base.time"]:
        steps.append(Action("synchronise time", lambda host: run(host, "systemctl enable -q --now $1", _TIMESYNCD)))
    summary = f"{len(missing)} packages installed" if missing else ""
    return Plan(tuple(steps), summary, (*notes, *directories.notes(seen)))


def _own_unit(unit: str) -> str:
    """Where an administrator puts a unit of the same name, and where the mask would be."""
    return f"{UNITS}/{unit}"


def _to_mask(settings: Settings, seen: HostState) -> list[str]:
    """Stock units that would start on one of our ports: with their package, or with the next boot.

    One that runs is somebody's: it stays as it is, and preflight says when it holds one of our ports. One whose package
    is not here and not to come needs no mask.
    """
    stock = []
    for unit in settings.masked:
        package = unit.removesuffix(".service")
        missing = package not in seen.packages
        if missing and package not in settings.needed:
            continue
        idle = seen.unit(unit, "ActiveState") in ("", "inactive", "failed")
        if seen.unit(unit, "LoadState") == "masked" or not idle:
            continue
        if missing and _own_unit(unit) in seen.files:
            fact = f"{unit} is a unit of somebody else's, which Debian's package of that name would start"
            raise HostError(f"{fact}; rename or remove it (systemctl cat {unit})")
        if missing or seen.unit(unit, "UnitFileState") == "enabled":
            stock.append(unit)
    return stock


def _packages(settings: Settings, seen: HostState) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What must be installed, and a note where time is not kept by us."""
    packages = tuple(dict.fromkeys((*settings.needed, *settings.packages)))
    others = [name for name in seen.answers["base.time"] if name != _TIMESYNCD]
    if not settings.time_sync or others:
        return packages, ()
    if seen.answers["base.container"][:1] not in ([], ["none"]):
        return packages, ("a container cannot set the clock: the machine outside must keep it in time",)
    if stopped := [name for name in _TIME_PACKAGES if name in seen.packages]:
        return packages, (
            f"{stopped[0]} is installed and does not run: start it (systemctl enable --now {stopped[0]})",
        )
    return (*packages, _TIMESYNCD), ()


def _install(host: Host, records: tuple[str, str], packages: list[str]) -> None:
    run(host, _INSTALL, *records, *packages, timeout=900)
