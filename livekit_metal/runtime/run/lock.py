"""One run at a time per host, and one at a time in a site that takes hosts out of service.

Both are kernel locks (flock) held by a process on the host whose standard input is this run's SSH connection: they are
free at once however the run ends. Taking a host's also needs the work lock (change.py) free for a moment, so that a
command which a dead deploy left running is seen. A half-open connection (link down) keeps a lock: a second run of the
same account on the same machine sees that the holder is gone and takes over; from elsewhere ``--data lock=break`` does.
"""

from __future__ import annotations

import json
import os
import pwd
import socket
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gevent.lock import BoundedSemaphore
from pyinfra import context
from pyinfra.api import FunctionCommand, QuoteString, StringCommand, operation
from pyinfra.api.exceptions import ConnectError
from pyinfra.connectors.util import make_unix_command_for_host

from livekit_metal.core import shell
from livekit_metal.core.switches import switches
from livekit_metal.runtime.host.commands import HostError, privilege, read
from livekit_metal.runtime.host.connect_errors import BREAKS, broken, lost
from livekit_metal.runtime.run import lock_script, run_mark
from livekit_metal.runtime.run.report import results

if TYPE_CHECKING:
    from pyinfra.api.host import Host
    from pyinfra.api.state import State


@dataclass(frozen=True, slots=True)
class _Kind:
    """A lock: its name among what a connection knows, its file on the host, and the text that takes it."""

    key: str
    file: str
    hold: str
    beside: tuple[str, ...]  # the other files that it needs
    held: str  # what somebody is told whom another run keeps out


_HOST = _Kind(
    "livekit_metal.lock",
    lock_script.LOCK,
    lock_script.HOLD,
    (lock_script.GUARD, lock_script.WORK_LOCK),
    "another deploy is at work here: {holder}; wait for it (it frees the lock however it ends)",
)
_SITE = _Kind(
    "livekit_metal.site_lock",
    lock_script.SITE_LOCK,
    lock_script.HOLD_SITE,
    (lock_script.GUARD,),
    "another run takes a host of this site out of service: {holder}; wait for it, two at once could leave none that "
    "serves",
)
# The hosts of a run ask the keeper at the same time: whoever comes second is to find that it is this run's already.
_asking_keeper = BoundedSemaphore()
# For a look: who holds the lock now, nothing when nobody does.
PROBE = ("lock.holder", shell.given(lock_script.HOLDER, lock_script.LOCK))
_ANSWERS = {
    "seized": "lock: {file} is held by what is not a deploy: {processes}; end it, then run the same again",
    "orphan": "a command of a deploy that died is still running here: {holder} ({processes}); it ends by itself, try "
    "again then",
    "notroot": "lock: the login user {rest!r} is not root; set hosts.{host}.ssh.user to root or to a user with sudo",
    "noflock": "lock: there is no `flock` here; install util-linux",
    "broken": "lock: {rest}",
    "nofile": "lock: /run cannot be written; is it mounted read-only?",
}


@operation()
def _take() -> Generator[Any, None, None]:
    host = context.ctx_host.get()
    if not _is_real(host):
        return
    if said := _taken(host, _HOST, host):
        yield FunctionCommand(_refuse, (said,), {})


@operation()
def _take_site(keeper: str) -> Generator[Any, None, None]:
    host = context.ctx_host.get()
    if not _is_real(host):
        return
    at = host.inventory.get_host(keeper)
    try:
        at.connect(reason="to keep others out", show_errors=False, raise_exceptions=True)
    except ConnectError as error:  # a host that is down must not keep others in service
        note = f"lock: {keeper} cannot be asked whether somebody else takes a host out of service now ({error})"
        results().of(host.name).notes.append(note)
        host.noop(note)
        return
    with _asking_keeper:
        said = _taken(at, _SITE, host)
    if said:
        yield FunctionCommand(_refuse, (said,), {})


def _is_real(host: Host) -> bool:
    """Not a plan, and not @fake, which has nothing to hold."""
    return bool(context.ctx_state.get().is_executing and getattr(host.connector, "client", None) is not None)


def _taken(at: Host, kind: _Kind, host: Host) -> str:
    """Take a lock on the host ``at`` for the run's work on ``host``; why that cannot be, '' when it is this run's."""
    if kind.key in at.connector_data:
        host.noop("lock is ours")
        return ""
    answer, rest = _try(at, kind)
    if answer == "held" and (_gone(rest) or switches(host.data.get).lock):
        host.log_styled(f"lock taken over from {_words(rest)}", fg="yellow")
        try:
            read(at, lock_script.END_HOLDER, kind.file)
        except HostError as error:
            return f"lock: cannot be broken: {error}"
        answer, rest = _try(at, kind)
    if answer == "taken":
        host.noop("lock taken")
        return ""
    template = kind.held if answer == "held" else _ANSWERS.get(answer)
    if not template:
        return f"lock: cannot be taken: {answer} {rest}".rstrip()
    who, _, processes = rest.partition("\t")
    return template.format(
        holder=_words(who), processes=processes.strip() or "unknown", rest=rest, host=at.name, file=kind.file
    )


def _refuse(state: State, host: Host, message: str) -> bool:
    result = results().of(host.name)
    result.word, result.why = "refused", message
    host.log_styled(message, fg="red")
    return False


def _try(host: Host, kind: _Kind) -> tuple[str, str]:
    """One attempt: (answer, what came with it). The channel stays open while this run lives."""
    raw = StringCommand("sh", "-c", *map(QuoteString, (kind.hold, "sh", _me(host), kind.file, *kind.beside)))
    command = make_unix_command_for_host(host.state, host, raw, **privilege(host))
    client: Any = getattr(host.connector, "client", None)
    try:
        channel = client.get_transport().open_session()
        channel.exec_command(command.get_raw_value())
    except BREAKS as error:
        return "broken", broken(host, error)
    answer, _, rest = channel.makefile().readline().strip().partition(" ")
    if not answer:
        said = channel.makefile_stderr().read().decode(errors="replace").strip().splitlines()
        if lost(host, within=0.0 if said else 1.0):
            return "broken", broken(host)
        return (
            "cannot become root",
            f"({said[-1] if said else 'no answer'}); give the login user sudo without password",
        )
    if answer == "taken":
        host.connector_data[kind.key] = channel
    return answer, rest


def operator() -> tuple[str, str]:
    """Who runs this, for what is kept on hosts: account and machine of the controller.

    The account is the process' own (passwd(5)), not what the environment says. It is a claim for the host all the
    same: whom its sshd has let in stands beside it (lock_script, audit).
    """
    number = os.getuid()
    try:
        account = pwd.getpwuid(number).pw_name
    except KeyError:  # a container that runs with a number of its own
        account = f"account {number}"
    return account, socket.gethostname()


def _me(host: Host) -> str:
    now = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
    login, machine = operator()
    who = {
        "who": login,
        "from": machine,
        "pid": os.getpid(),
        "run": run_mark.mine(),
        "since": now,
        "doing": Path(host.state.current_deploy_filename or "").name,
    }
    return json.dumps(who)


def _holder(rest: str) -> dict[str, Any]:
    try:
        found = json.loads(rest)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _gone(rest: str) -> bool:
    """Certain only for a holder of this very account and machine."""
    return run_mark.gone(str(_holder(rest).get("run", "")))


def _words(rest: str) -> str:
    return words(_holder(rest))


def words(holder: Mapping[str, Any]) -> str:
    """A holder, for people."""
    if not holder:
        return "an unknown holder"
    doing = f" ({holder['doing']})" if holder.get("doing") else ""
    what = f"process {holder.get('pid')}{doing}"
    return f"{holder.get('who')} on {holder.get('from')}, {what}, since {holder.get('since')}"


def holder(said: Sequence[str]) -> dict[str, Any] | None:
    """Who holds the lock, from what PROBE's lines say; None when it is free."""
    return _holder(said[0]) if said else None


def take() -> None:
    """Register the taking of the lock: the first operation of everything that changes hosts."""
    _take(name="Lock")


def again(host: Host) -> None:
    """Take back what this run held on ``host``, which has forgotten it by a reboot. Raises HostError."""
    for kind in (_HOST, _SITE):
        if host.connector_data.pop(kind.key, None) and (said := _taken(host, kind, host)):
            raise HostError(said)


def take_site(keeper: str) -> None:
    """Register the taking of the site's lock, which the host ``keeper`` keeps, in the run or not.

    For whoever takes hosts out of service: a host's own lock does not see what another run does to its peers. The
    keeper has to be the same for everybody. One that is down keeps nobody from his work; the last table says so.
    """
    _take_site(name="Lock of the site", keeper=keeper)
