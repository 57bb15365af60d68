"""ACME: files and the timer before HAProxy starts, a certificate when all edges stand, another when asked for.

Which certificate is in force is seen on the host: the file that HAProxy reads says what was asked of whom, and HAProxy
which file it has read. A CA that does not answer leaves what there is.
"""

from __future__ import annotations

from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.roles.acme import state
from livekit_metal.roles.acme.settings import TIMER, UNIT, USER, Settings
from livekit_metal.roles.acme.state import Lies
from livekit_metal.runtime.host import files
from livekit_metal.runtime.host.commands import HostError, run
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.service import UNITS
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.host.wait import journal
from livekit_metal.runtime.run.task import Action, Plan, Task

_LONGEST = 960  # s for lego: more than the unit's own limit
_ENABLE = "systemctl daemon-reload; systemctl -q enable $1; systemctl restart $1"
_STOP = """systemctl -q disable --now $1 2>/dev/null || :
systemctl stop $2 2>/dev/null || :; systemctl reset-failed $2 2>/dev/null || :"""


def prepare(settings: Settings) -> None:
    """Refuse, before anything is changed, to go on without what nobody has stored. Raises PyinfraError."""
    if settings.wanted and settings.missing:
        remedy = "store it: python -m procedures.secrets INVENTORY set {}"
        wrong = [Problem("acme.secrets", f"there is no password {n}", remedy.format(n)) for n in settings.missing]
        raise PyinfraError(f"nothing was changed\n{SiteError(wrong)}")


def activate(settings: Settings) -> Task:
    """What gets certificates, and something that HAProxy can start with."""
    ours = _files(settings)
    unused = [] if settings.ca else [settings.ca_on_host]
    unused += [] if settings.hook else [settings.hook_on_host]
    needs = files.needs(ours) | StateQuery(
        files=frozenset({settings.served, settings.metric_file, settings.state, *unused}), units=frozenset({TIMER})
    )

    def plan(seen: HostState) -> Plan:
        steps = [*files.bundle(ours, seen), *files.remove(unused, seen)]
        steps += files.directory(settings.state, seen, mode="700", user=USER, group=USER)
        timer = (seen.unit(TIMER, "ActiveState"), seen.unit(TIMER, "UnitFileState"))
        if timer != ("active", "enabled") or not all(f.current(seen) for f in ours if f.path in _units(settings)):
            steps.append(Action(f"start {TIMER}", lambda host: run(host, _ENABLE, TIMER)))
        if not {settings.served, settings.metric_file} <= seen.files.keys():
            steps.append(
                Action("something to serve until there is a certificate", lambda host: _do(settings, host, "seed"))
            )
        return Plan(tuple(steps), "configured" if steps else "")

    return Task("acme", needs, plan)


def obtain(settings: Settings) -> Task:
    """A certificate for this host, where it has none of what is wanted."""

    def plan(seen: HostState) -> Plan:
        lies = Lies(seen)
        if lies.request != settings.request or lies.left <= 0:
            return Plan((_get(settings, must=False),), "asked for a certificate")
        if lies.loaded not in ("", lies.fingerprint):
            return Plan(
                (Action("HAProxy takes its certificate", lambda host: _do(settings, host, "load")),), "reloaded"
            )
        return Plan()

    return Task("acme", state.needs(settings), plan, state.warnings)


def renew(settings: Settings) -> Task:
    """Another certificate with another key, whatever the age of this one."""

    def plan(seen: HostState) -> Plan:
        if Lies(seen).request != settings.request:
            raise HostError("this host has no certificate of what the inventory says; deploy: that gets one")
        ask = Action("ask for another certificate", lambda host: run(host, ': > "$1"', settings.again))
        return Plan((ask, _get(settings, must=True)), "another certificate")

    return Task("acme", state.needs(settings), plan, state.warnings)


def retire(settings: Settings) -> Task:
    """Nothing of it stays where certificates come from elsewhere: no timer, no key."""
    ours = (settings.script, settings.served, settings.metric_file, *_units(settings))
    needs = StateQuery(files=frozenset(ours))

    def plan(seen: HostState) -> Plan:
        if not needs.files & seen.files.keys():
            return Plan()
        gone = (*ours, settings.place, settings.state)
        return Plan(
            (
                Action(f"stop {TIMER}", lambda host: run(host, _STOP, TIMER, UNIT)),
                Action("remove ACME", lambda host: run(host, 'rm -rf -- "$@"; systemctl daemon-reload', *gone)),
            ),
            "removed",
        )

    return Task("acme", needs, plan)


def _units(settings: Settings) -> dict[str, str]:
    """Path -> template of what systemd reads."""
    return {f"{UNITS}/{UNIT}": "acme/livekit-acme.service.j2", f"{UNITS}/{TIMER}": "acme/livekit-acme.timer.j2"}


def _files(settings: Settings) -> tuple[File, ...]:
    assert settings.account is not None
    found = [
        *(File(path, files.text(template, acme=settings)) for path, template in _units(settings).items()),
        File(settings.script, files.text("acme/certificate.sh.j2", acme=settings)),
        File(settings.environment_file, files.text("acme/environment.j2", acme=settings), "600", secret=True),
        File(settings.account_file, settings.account.reveal(), "600", USER, USER, secret=True),
    ]
    found += [File(settings.ca_on_host, settings.ca)] if settings.ca else []
    found += [File(settings.hook_on_host, settings.hook, "755")] if settings.hook else []
    return tuple(found)


def _get(settings: Settings, *, must: bool) -> Action:
    """Have lego get a certificate. Unless it ``must``, one that goes on serves all names is enough; a note says so."""

    def get(host: Host) -> None:
        try:
            run(host, "systemctl start $1", UNIT, timeout=_LONGEST)
        except HostError as error:
            said = f"no certificate from {settings.url}\n{journal(host, UNIT)}"
            try:
                _do(settings, host, "covers")
            except HostError as also:
                raise HostError(f"{said}\nwhat is served instead: {also}") from error
            if must:
                raise HostError(f"{said}\nthe one there is goes on") from error

    return Action(f"get a certificate from {settings.url}", get)


def _do(settings: Settings, host: Host, verb: str) -> None:
    run(host, 'sh "$1" "$2"', settings.script, verb)
