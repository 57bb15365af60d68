"""How much the journal keeps: a drop-in of ours, and journald started again when it has not read it yet.

journald hands the connections of its clients to systemd and takes them back (FileDescriptorStoreMax= in its unit), so
that nobody who writes to it notices.
"""

from __future__ import annotations

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.roles.base.settings import JOURNALD, Settings
from livekit_metal.runtime.host import files
from livekit_metal.runtime.host.commands import run
from livekit_metal.runtime.host.files import File, bundle
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.task import Action

_UNIT = "systemd-journald.service"
_UNREAD = shell.given(shell.program(__file__, "journal-unread"), JOURNALD, _UNIT)


def _file(settings: Settings) -> File:
    return File(JOURNALD, files.text("base/journald.conf.j2", base=settings))


def needs(settings: Settings) -> StateQuery:
    """What to look at on a host."""
    wanted = files.needs((_file(settings),)) if settings.journal.limited else StateQuery(files=frozenset({JOURNALD}))
    return wanted | StateQuery(queries=(("base.journal", f"(\n{_UNREAD})"),))


def actions(settings: Settings, seen: HostState) -> tuple[Action, ...]:
    """The drop-in as it is to be; a run that was killed before journald had read it is made good."""
    if not settings.journal.limited:
        if JOURNALD not in seen.files:
            return ()
        return (Action(f"remove {JOURNALD}", _removed),)
    steps = bundle((_file(settings),), seen)
    return (*steps, Action("have journald read its limits", _read)) if steps or seen.answers.get("base.journal") else ()


def _read(host: Host) -> None:
    run(host, "systemctl restart $1", _UNIT)


def _removed(host: Host) -> None:
    run(host, "rm -f -- $1 && systemctl restart $2", JOURNALD, _UNIT)
