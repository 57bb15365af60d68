"""Kamailio: configure, start or have it re-read what needs no restart, prove that it answers.

Whatever else changes needs a restart: Kamailio cannot take its configuration again. A call in progress outlives that
(its requests carry the way in themselves); one that is being set up costs a retransmission.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from shlex import join, quote

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.roles.kamailio.settings import UNIT, Settings
from livekit_metal.runtime.host import files, sandbox
from livekit_metal.runtime.host.commands import run
from livekit_metal.runtime.host.files import File
from livekit_metal.runtime.host.service import UNITS, Service, limits
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.host.wait import until
from livekit_metal.runtime.run.task import Action, Plan, Task

_FILES, _FOLLOWS = "kamailio.files", "kamailio.follows"
# Whether the running process has the files that it can take again, and sends new calls where the active file says.
_HAS_FILES = (
    'n=$(cat {} | sha256sum | cut -c 1-16); {} timeout 5 kamcmd -s unix:{} pv.shvGet files | grep -q "$n" && echo y'
)
_CERTIFICATE = shell.program(__file__, "certificate")
_ANSWERS = """$4 timeout 5 kamcmd -s unix:$1 core.uptime >/dev/null && ss -Hlun "src $2 and sport = :$3" | grep -q . &&
ss -Hltn "src $2 and sport = :$3" | grep -q ."""


def activate(settings: Settings) -> Task:
    """Kamailio with this host's configuration, sending new calls to the active slot."""
    service = _service(settings)
    needs = service.needs | StateQuery(
        queries=(
            (_FILES, _HAS_FILES.format(join(settings.reread_files), settings.as_user, quote(settings.socket))),
            (_FOLLOWS, f"sh {quote(settings.dispatch)} check && echo y"),
        )
    )
    return Task("kamailio", needs, partial(_plan, settings, service))


def _service(settings: Settings) -> Service:
    def file(name: str, template: str, mode: str = "644", *, secret: bool = False) -> File:
        group = settings.user if secret else "root"
        return File(name, files.text(template, kamailio=settings), mode, group=group, secret=secret)

    reread = [
        file(settings.sources_file, "kamailio/sources.j2", "640", secret=True),
        file(settings.dispatch, "kamailio/dispatch.sh.j2"),
        file(settings.reread, "kamailio/reread.sh.j2"),
    ]
    if settings.registrations:
        directory = settings.registrations_directory
        reread.append(file(f"{directory}/version", "kamailio/version.j2"))
        reread.append(file(f"{directory}/uacreg", "kamailio/uacreg.j2", "640", secret=True))
    if settings.certificate:
        reread.append(file(settings.tls_file, "kamailio/tls.cfg.j2"))
    unit = file(f"{UNITS}/{UNIT}", "kamailio/livekit-kamailio.service.j2")
    # with calls out it holds the key that binds them
    bound = bool(settings.outgoing)
    config = file(settings.config_file, "kamailio/kamailio.cfg.j2", "640" if bound else "644", secret=bound)
    return Service(UNIT, (config, unit), partial(_check, settings), tuple(reread), limits(tasks=1024))


def _check(settings: Settings, new: Callable[[str], str]) -> str:
    """Shell text that fails where Kamailio would not start: it reads certificates only then."""
    check = (
        sandbox.check(f"{UNITS}/{UNIT}", "/usr/sbin/kamailio -Y /tmp -c -f", settings.config_file)(new) + " >/dev/null"
    )
    if not settings.certificate:
        return check
    words = (settings.certificate, settings.certificate_key, settings.as_user, settings.user)
    return f"{check}\n({shell.given(_CERTIFICATE, *words)})"


def _plan(settings: Settings, service: Service, seen: HostState) -> Plan:
    reload = None
    if service.unread(seen, loaded=bool(seen.answers[_FILES])):
        reload = Action("re-read who may call", lambda host: run(host, "sh $1", settings.reread))
    steps = list(service.actions(seen, partial(_answers, settings=settings), reload=reload))
    if service.running(seen) and not seen.answers[_FOLLOWS]:
        steps.append(Action("follow the active file", lambda host: run(host, "sh $1", settings.dispatch)))
    return Plan(tuple(steps), service.outcome(seen, "re-read" if reload else ""))


def _answers(host: Host, settings: Settings) -> None:
    words = (settings.socket, settings.address, str(settings.port), settings.as_user)
    until(host, "Kamailio answers", UNIT, _ANSWERS, *words)
