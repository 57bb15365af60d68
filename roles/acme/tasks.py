"""ACME: files and the timer before HAProxy starts, a certificate when all edges stand, another when asked for.

Which certificate is in force is seen on the host: the file that HAProxy reads says what was asked of whom, and HAProxy
which file it has read. A CA that does not answer leaves what there is.
"""

from __future__ import annotations

from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host

from roles._kit import files
from roles._kit.change import Failed, sh
from roles._kit.files import File
from roles._kit.look import Needs, Seen
from roles._kit.plan import Part, Step, Todo
from roles._kit.ready import journal
from roles._kit.service import UNITS
from roles.acme import observed
from roles.acme.observed import Lies
from roles.acme.settings import TIMER, UNIT, USER, Settings
from stack.errors import Problem, SiteError

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


def activate(settings: Settings) -> Part:
    """What gets certificates, and something that HAProxy can start with."""
    ours = _files(settings)
    unused = [] if settings.ca else [settings.ca_on_host]
    unused += [] if settings.hook else [settings.hook_on_host]
    needs = files.needs(ours) | Needs(
        files=frozenset({settings.served, settings.metric_file, settings.state, *unused}), units=frozenset({TIMER})
    )

    def plan(seen: Seen) -> Todo:
        steps = [*files.bundle(ours, seen), *files.remove(unused, seen)]
        steps += files.directory(settings.state, seen, mode="700", user=USER, group=USER)
        timer = (seen.unit(TIMER, "ActiveState"), seen.unit(TIMER, "UnitFileState"))
        if timer != ("active", "enabled") or not all(f.current(seen) for f in ours if f.path in _units(settings)):
            steps.append(Step(f"start {TIMER}", lambda host: sh(host, _ENABLE, TIMER)))
        if not {settings.served, settings.metric_file} <= seen.files.keys():
            steps.append(
                Step("something to serve until there is a certificate", lambda host: _do(settings, host, "seed"))
            )
        return Todo(tuple(steps), "configured" if steps else "")

    return Part("acme", needs, plan)


def obtain(settings: Settings) -> Part:
    """A certificate for this host, where it has none of what is wanted."""

    def plan(seen: Seen) -> Todo:
        lies = Lies(seen)
        if lies.request != settings.request or lies.left <= 0:
            return Todo((_get(settings, must=False),), "asked for a certificate")
        if lies.loaded not in ("", lies.fingerprint):
            return Todo((Step("HAProxy takes its certificate", lambda host: _do(settings, host, "load")),), "reloaded")
        return Todo()

    return Part("acme", observed.needs(settings), plan, observed.warnings)


def renew(settings: Settings) -> Part:
    """Another certificate with another key, whatever the age of this one."""

    def plan(seen: Seen) -> Todo:
        if Lies(seen).request != settings.request:
            raise Failed("this host has no certificate of what the inventory says; deploy: that gets one")
        ask = Step("ask for another certificate", lambda host: sh(host, ': > "$1"', settings.again))
        return Todo((ask, _get(settings, must=True)), "another certificate")

    return Part("acme", observed.needs(settings), plan, observed.warnings)


def retire(settings: Settings) -> Part:
    """Nothing of it stays where certificates come from elsewhere: no timer, no key."""
    ours = (settings.script, settings.served, settings.metric_file, *_units(settings))
    needs = Needs(files=frozenset(ours))

    def plan(seen: Seen) -> Todo:
        if not needs.files & seen.files.keys():
            return Todo()
        gone = (*ours, settings.place, settings.state)
        return Todo(
            (
                Step(f"stop {TIMER}", lambda host: sh(host, _STOP, TIMER, UNIT)),
                Step("remove ACME", lambda host: sh(host, 'rm -rf -- "$@"; systemctl daemon-reload', *gone)),
            ),
            "removed",
        )

    return Part("acme", needs, plan)


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


def _get(settings: Settings, *, must: bool) -> Step:
    """Have lego get a certificate. Unless it ``must``, one that goes on serves all names is enough; a note says so."""

    def get(host: Host) -> None:
        try:
            sh(host, "systemctl start $1", UNIT, timeout=_LONGEST)
        except Failed as error:
            said = f"no certificate from {settings.url}\n{journal(host, UNIT)}"
            try:
                _do(settings, host, "covers")
            except Failed as also:
                raise Failed(f"{said}\nwhat is served instead: {also}") from error
            if must:
                raise Failed(f"{said}\nthe one there is goes on") from error

    return Step(f"get a certificate from {settings.url}", get)


def _do(settings: Settings, host: Host, verb: str) -> None:
    sh(host, 'sh "$1" "$2"', settings.script, verb)
