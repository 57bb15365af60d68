"""One deploy at a time per host.

The lock is a kernel lock (flock) held by a process on the host whose standard input is this run's SSH connection: it
is free at once however the run ends. Taking it also needs the work lock (change.py) free for a moment, so that a
command which a dead deploy left running is seen. A half-open connection (link down) keeps the lock: a second run from
the same machine sees that the holder is gone and takes over; from another machine ``--data lock=break`` does.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyinfra import context
from pyinfra.api import FunctionCommand, QuoteString, StringCommand, operation
from pyinfra.connectors.util import make_unix_command_for_host

from roles._kit.change import WORK_LOCK, Failed, ask, privilege
from roles._kit.report import results
from stack.switches import switches

if TYPE_CHECKING:
    from pyinfra.api.host import Host
    from pyinfra.api.state import State

LOCK = "/run/livekit-metal.lock"
_KEY = "livekit_metal.lock"
_HOLD = f"""
[ $(id -u) = 0 ] || {{ echo "notroot $(id -un)"; exit 4; }}
command -v flock >/dev/null || {{ echo "noflock"; exit 5; }}
exec 9>>{LOCK} || {{ echo nofile; exit 3; }}
flock -n 9 || {{ sleep 0.3; echo "held $(cat {LOCK}.holder)"; exit 1; }}
exec 8>>{WORK_LOCK}
flock -n -x 8 || {{ sleep 0.3; echo "orphan $(cat {LOCK}.holder)"; exit 2; }}
exec 8>&-
printf '%s\\n' "$1" > {LOCK}.holder; echo $$ > {LOCK}.pid
echo taken
exec cat >/dev/null
"""
_HELD = f"""p=$(cat {LOCK}.pid) && [ "$(readlink "/proc/$p/fd/9")" = {LOCK} ]"""
_BREAK = f"{_HELD} && kill $p && sleep 0.2"
# For a look: who holds the lock now, nothing when nobody does. To try the lock would be to take it for a moment.
PROBE = ("lock.holder", f"{_HELD} && cat {LOCK}.holder")
_ANSWERS = {
    "held": "another deploy is at work here: {holder}; wait for it (it frees the lock however it ends)",
    "orphan": "a command of a deploy that died is still running here: {holder}; it ends by itself, try again then",
    "notroot": "lock: the login user {rest!r} is not root; set hosts.{host}.ssh.user to root or to a user with sudo",
    "noflock": "lock: there is no `flock` here; install util-linux",
    "nofile": "lock: /run cannot be written; is it mounted read-only?",
}


@operation()
def _take() -> Generator[Any, None, None]:
    host = context.ctx_host.get()
    client = getattr(host.connector, "client", None)
    if not context.ctx_state.get().is_executing or client is None:  # a plan; or @fake: nothing to hold
        return
    if _KEY in host.connector_data:
        host.noop("lock is ours")
        return
    answer, rest = _try(host)
    if answer == "held" and (_gone(rest) or switches(host.data.get).lock):
        host.log_styled(f"lock taken over from {_words(rest)}", fg="yellow")
        try:
            ask(host, _BREAK)
        except Failed as error:
            yield FunctionCommand(_refuse, (f"lock: cannot be broken: {error}",), {})
            return
        answer, rest = _try(host)
    if answer == "taken":
        host.noop("lock taken")
        return
    template = _ANSWERS.get(answer)
    said = f"lock: cannot be taken: {answer} {rest}".rstrip()
    if template:
        said = template.format(holder=_words(rest), rest=rest, host=host.name)
    yield FunctionCommand(_refuse, (said,), {})


def _refuse(state: State, host: Host, message: str) -> bool:
    result = results().of(host.name)
    result.word, result.why = "refused", message
    host.log_styled(message, fg="red")
    return False


def _try(host: Host) -> tuple[str, str]:
    """One attempt: (answer, what came with it). The channel stays open while this run lives."""
    raw = StringCommand("sh", "-c", QuoteString(_HOLD), "sh", QuoteString(_me()))
    command = make_unix_command_for_host(host.state, host, raw, **privilege(host))
    client: Any = getattr(host.connector, "client", None)
    channel = client.get_transport().open_session()
    channel.exec_command(command.get_raw_value())
    answer, _, rest = channel.makefile().readline().strip().partition(" ")
    if not answer:
        said = channel.makefile_stderr().read().decode(errors="replace").strip().splitlines()
        return (
            "cannot become root",
            f"({said[-1] if said else 'no answer'}); give the login user sudo without password",
        )
    host.connector_data[_KEY] = channel
    return answer, rest


def operator() -> tuple[str, str]:
    """Who runs this, for what is kept on hosts: login and machine of the controller."""
    return getpass.getuser(), socket.gethostname()


def _me() -> str:
    now = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
    login, machine = operator()
    who = {
        "who": login,
        "from": machine,
        "pid": os.getpid(),
        "boot": _boot(),
        "since": now,
    }
    return json.dumps(who)


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _holder(rest: str) -> dict[str, Any]:
    try:
        found = json.loads(rest)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _gone(rest: str) -> bool:
    """Certain only for a holder on this very machine."""
    holder = _holder(rest)
    return holder.get("boot") == _boot() and not Path(f"/proc/{holder.get('pid')}").exists()


def _words(rest: str) -> str:
    return words(_holder(rest))


def words(holder: Mapping[str, Any]) -> str:
    """A holder, for people."""
    if not holder:
        return "an unknown holder"
    return f"{holder.get('who')} on {holder.get('from')}, process {holder.get('pid')}, since {holder.get('since')}"


def holder(said: Sequence[str]) -> dict[str, Any] | None:
    """Who holds the lock, from what PROBE's lines say; None when it is free."""
    return _holder(said[0]) if said else None


def take() -> None:
    """Register the taking of the lock: the first operation of everything that changes hosts."""
    _take(name="Lock")
