"""The edge: one HAProxy that is only ever reloaded. Its configuration, the proof that it runs, and the way there."""

from __future__ import annotations

import dataclasses
import time
from functools import partial
from shlex import quote

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.roles.edge.seen import Running, entries, slots, streams
from livekit_metal.roles.edge.settings import UNIT, Settings
from livekit_metal.runtime.host import files, old_code, sandbox
from livekit_metal.runtime.host.commands import HostError, run
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.service import UNITS, Service, limits, restart
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.host.wait import until
from livekit_metal.runtime.run.task import Action, Plan, Task
from livekit_metal.runtime.slots import active_slot

_RESTART = (
    "restart needed: its unit has changed and the running HAProxy has the old one; a restart cuts the WebSockets it "
    "relays (calls go on, clients resume signalling); run the same command with --data edge=restart"
)
_MOVED = (
    "paths.config has moved, and a running HAProxy reads its configuration where it was; put it back, or run the same "
    "command with --data edge=restart, which cuts the WebSockets it relays (calls go on, clients resume signalling)"
)
_RENEWAL = {
    "provided": "get another from your CA and deploy it (edge.certificate)",
    "internal": "its CA ends then too: make the site another one",
}

_HAPROXY = shell.program(__file__, "haproxy")
_LOADED = '[ "$(systemctl show -p ActiveState --value $unit)" = active ]'  # HAProxy has told systemd READY=1


def activate(settings: Settings, *, cut: bool = False) -> Task:
    """HAProxy with this host's configuration. ``cut`` permits a restart where a reload is not enough."""
    return Task("edge", _needs(settings), lambda seen: _plan(settings, seen, cut=cut))


def _needs(settings: Settings) -> StateQuery:
    _, service = _files(settings)
    certificates = frozenset(f.path for f in _certificates(settings))
    said = active_slot.question(settings.active, "show info", f"show map {settings.active.file}")
    units = (settings.streams.unit.format("*"),) if settings.streams else ()
    return (
        StateQuery(
            files=frozenset({settings.config_file, settings.active.file}) | certificates,
            units=frozenset({settings.slot_unit.format("*"), *units}),
            queries=(
                ("edge.limit", r"sed -n 's/^Max open files *[0-9]* *\([0-9]*\) .*/\1/p' /proc/1/limits"),
                ("edge.ipv6", "ls /proc/net/if_inet6"),
                ("edge.active", f"cat {quote(settings.active.file)}"),
                ("edge.slots", f"sed -n 's/^# slot //p' {quote(settings.config_file)}"),
                (
                    "edge.certificates",
                    "ls -1 {0}/edge/cert-*.pem {0}/edge/ca-*.pem".format(quote(settings.config_root)),
                ),
                ("edge.streams", rf"sed -n 's/^# stream slot //p' {quote(settings.config_file)}"),
                ("edge.haproxy", shell.given(_HAPROXY, said)),
            ),
        )
        | service.needs
    )


def _plan(settings: Settings, seen: HostState, *, cut: bool) -> Plan:
    wanted, notes = _complete(settings, seen)
    config, service = _files(wanted)
    running, state = Running.of(seen), seen.unit(UNIT, "ActiveState")
    runs = state in ("active", "reloading")
    other_unit = seen.unit(UNIT, "Stamp") != service.stamp
    if runs and not cut and not running.reads(settings.config_file):
        raise HostError(_MOVED)
    steps: list[Action] = []
    if settings.active.file not in seen.files:
        steps.append(Action("create an empty active file", partial(_create, path=settings.active.file)))
    steps += files.bundle(_certificates(wanted), seen)  # first: HAProxy's own check of the rest reads it
    check = sandbox.check(f"{UNITS}/{UNIT}", "/usr/sbin/haproxy -c -f", config.path)
    steps += files.bundle((config, *service.all_files), seen, check)
    if not all(f.current(seen) for f in service.all_files) or seen.unit(UNIT, "UnitFileState") != "enabled":
        steps.append(
            Action(f"enable {UNIT}", lambda h: run(h, "systemctl daemon-reload; systemctl -q enable $1", UNIT))
        )
    summary = "configured" if steps else ""
    prove = Action("HAProxy runs this configuration and answers", partial(_prove, settings=wanted))
    if not runs:
        steps += [Action(f"start {UNIT}", lambda h: restart(h, UNIT)), prove]
        summary = "started"
    elif other_unit and cut:
        steps += [Action(f"restart {UNIT}", lambda h: restart(h, UNIT)), prove]
        summary = "restarted"
    elif running.description != wanted.description or old_code.of_main(seen, UNIT):
        steps += [Action(f"reload {UNIT}", _reload), prove]
        summary = "reloaded"
    elif running.map != entries(seen):
        steps.append(Action("HAProxy follows the active file", lambda h: active_slot.follow(h, settings.active)))
    steps += _prune(wanted, seen)
    if runs and other_unit and not cut:
        notes = (*notes, _RESTART)
    return Plan(tuple(steps), summary, (*notes, *_ending(wanted)))


def _prune(settings: Settings, seen: HostState) -> tuple[Action, ...]:
    """Previous certificates go, with their keys: a running HAProxy has what it serves in memory."""
    kept = {file.path for file in _certificates(settings)}
    old = [path for path in seen.answers.get("edge.certificates", []) if path not in kept]
    if not old:
        return ()
    return (Action("remove the previous certificate", lambda host: run(host, 'rm -f -- "$@"', *old)),)


def _ending(settings: Settings) -> tuple[str, ...]:
    served = settings.served
    if served is None or (left := served.days_left(time.time())) >= settings.warn_days:
        return ()
    return (f"the certificate ends on {served.ends}, in {left} days; {_RENEWAL[settings.tls]}",)


def _complete(settings: Settings, seen: HostState) -> tuple[Settings, tuple[str, ...]]:
    """The settings with what only the host knows, and notes about it."""
    limit = "".join(seen.answers.get("edge.limit", []))
    open_files = int(limit) if limit.isdigit() else settings.open_files  # 'unlimited'
    connections = settings.connections_within(open_files)
    if connections < 100:
        raise HostError(f"this host lets a process open {open_files} files, too few for connections; raise that limit")
    notes: tuple[str, ...] = ()
    if connections < settings.max_connections:
        fact = f"takes {connections} connections at once, not {settings.max_connections}"
        notes = (f"{fact}: a process may open {open_files} files here",)
    known = dataclasses.replace(
        settings,
        slots=slots(settings, seen),
        streams=streams(settings.streams, seen),
        connections=connections,
        ipv6=bool(seen.answers.get("edge.ipv6")),
    )
    return dataclasses.replace(known, description=files.digest([_config(known)])), notes


def _config(settings: Settings) -> File:
    text = files.text("edge/haproxy.cfg.j2", edge=settings)
    if settings.backends and settings.public:
        text += files.text("edge/services.cfg.j2", edge=settings)
    if settings.streams:
        text += files.text("edge/streams.cfg.j2", edge=settings)
    return File(settings.config_file, text, mode="640", group=settings.user)


def _certificates(settings: Settings) -> tuple[File, ...]:
    """What HAProxy serves, with its key, and the CAs of those behind it."""
    authorities = {path: settings.backends[name].ca for name, path in settings.authorities.items()}
    found = [File(path, ca, mode="640", group=settings.user) for path, ca in authorities.items()]
    if settings.served:
        pem = settings.served.pem.reveal()
        found.append(File(settings.certificate_file, pem, mode="640", group=settings.user, secret=True))
    return tuple(found)


def _files(settings: Settings) -> tuple[File, Service]:
    """The configuration, which a reload brings into force, and the unit, which only a start does."""
    unit = File(f"{UNITS}/{UNIT}", files.text("edge/livekit-edge.service.j2", edge=settings))
    return _config(settings), Service(UNIT, (unit,), limits=limits(tasks=8192))


def _create(host: Host, path: str) -> None:
    # -C: never over one that has appeared since
    run(host, 'umask 022; mkdir -p "${1%/*}"; set -C; [ -e "$1" ] || : > "$1"', path)


def _reload(host: Host) -> None:
    # a master that is still loading drops the signal
    until(host, "the end of an earlier reload", UNIT, _LOADED)
    said = "journalctl -u $1 -n 15 --no-pager -o cat >&2; exit 1"
    run(host, f"systemctl daemon-reload; systemctl reload $1 && exit; {said}", UNIT)


def _prove(host: Host, settings: Settings) -> None:
    said = active_slot.question(settings.active, "show info")
    runs = f'{said} | grep -qx "description: $1" && {_LOADED}'
    until(host, "HAProxy has the new configuration", UNIT, runs, settings.description)
    urls = [f"http://127.0.0.1:{settings.http}/"]
    if settings.local:
        urls.append(f"http://{settings.endpoints['peer']}/")
    if settings.serves_tls:  # whether a client can trust it is not this host's to say: it may not know the CA
        urls += [f"http://{settings.answers_at('redirect')}/", f"https://{settings.answers_at('https')}/"]
    if settings.monitored:
        urls.append(f"http://{settings.endpoints['metrics']}/metrics")
    test = 'for url in "$@"; do curl -sk -m 2 -o /dev/null "$url" || { echo "$url does not"; return 1; }; done'
    until(host, "the edge answers", UNIT, test, *urls)  # with any status: before the first activation it is 503
