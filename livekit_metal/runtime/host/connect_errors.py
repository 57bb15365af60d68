"""Why a host cannot be connected to, or no longer answers, in words that say what to do about it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import click
from paramiko import (
    AuthenticationException,
    BadHostKeyException,
    ChannelException,
    PasswordRequiredException,
    ProxyCommandFailure,
    SSHException,
)
from paramiko.ssh_exception import IncompatiblePeer
from pyinfra.api.exceptions import ConnectError, PyinfraError
from pyinfra.api.state import BaseStateCallback

from livekit_metal.core.errors import Problem

if TYPE_CHECKING:
    from pyinfra.api.host import Host
    from pyinfra.api.state import State

# What may come out of a connection that breaks: paramiko's thread raises whatever it stumbled over.
BREAKS = (SSHException, EOFError, OSError)
_NO_SSH = ("protocol banner", "Invalid SSH banner", "Indecipherable protocol version")
_CUT = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
_CLOSED = ("Negotiation failed", "No existing session", "SSH session not active")


class Connecting(BaseStateCallback):
    """Explains every connection that fails; pyinfra ends the run then, before anything is done on any host."""

    def host_connect_error(self, state: State, host: Host, error: Exception) -> None:  # type: ignore[override]
        problem = explained(host, error.__context__ or error)
        click.secho(f"    {problem}", fg="red", err=True)


def connecting(connect: Any) -> Any:
    """pyinfra's ``connect`` of a connector, so that *whatever* it raises is a connection that failed.

    It knows four kinds of error; from a peer that sends nonsense paramiko raises others, which end as a traceback.
    """

    def connected(connector: Any) -> None:
        try:
            connect(connector)
        except PyinfraError:
            raise
        except Exception as error:
            raise ConnectError(f"Could not connect ({type(error).__name__}: {error})") from error

    return connected


def explained(host: Host, error: BaseException) -> Problem:
    """What ``error``, raised while connecting to ``host``, means for the operator."""
    path, data = f"hosts.{host.name}", host.data
    address, known = data.get("ssh_hostname"), data.get("ssh_known_hosts_file") or "~/.ssh/known_hosts"
    port = "" if data.get("ssh_port") in (None, 22) else f"-p {data.ssh_port} "
    entry = f"'[{address}]:{data.ssh_port}'" if port else address
    if isinstance(error, BadHostKeyException):
        remedy = f"if it was set up again, `ssh-keygen -R {entry} -f {known}` and add the new; else it is another host"
        return Problem(path, f"its host key has changed, {known} has another", remedy)
    said = str(error) or type(error).__name__
    if isinstance(error, PasswordRequiredException):
        return Problem(path, f"the key to log in with is encrypted ({said})", "give it to an agent: ssh-add FILE")
    if isinstance(error, AuthenticationException) or "No authentication methods" in said:
        return Problem(path, f"{data.get('ssh_user')} may not log in ({said})", f"correct {path}.ssh.user or .key")
    if isinstance(error, SSHException) and "No host key" in said:
        remedy = f"compare `ssh-keyscan {port}{address}` with the host's own key, then add it"
        return Problem(path, f"its host key is not in {known}", remedy)
    fact, look = _away(str(address), error, said)
    remedy = f"{look}; try `ssh {port}{address}` by hand, or deploy without it: --exclude {host.name}"
    return Problem(path, fact, remedy)


def _away(address: str, error: BaseException, said: str) -> tuple[str, str]:
    """Fact, and what to look at, for a host that nobody could log in to at all."""
    there = "see its log (journalctl -u ssh), and MaxStartups and fail2ban there"
    closed = isinstance(error, (EOFError, *_CUT)) or any(words in said for words in _CLOSED)
    kinds = (
        (
            isinstance(error, ChannelException),
            f"the jump host opens no connection to {address} ({getattr(error, 'text', '')})",
            "see that it can connect there, and AllowTcpForwarding in its sshd",
        ),
        (
            isinstance(error, ProxyCommandFailure),
            f"the ProxyCommand of OpenSSH's configuration for {address} ended ({said})",
            "run it by hand",
        ),
        (
            isinstance(error, IncompatiblePeer),
            f"sshd at {address} has no algorithm in common with this machine ({said})",
            "update it",
        ),
        (
            isinstance(error, socket.gaierror),
            f"the name {address}, or that of its jump host, cannot be resolved ({said})",
            "correct the address, or HostName and ProxyJump in OpenSSH's configuration",
        ),
        (
            any(words in said for words in _NO_SSH),
            f"what answers at {address} does not speak SSH, or turns this machine away ({said})",
            "check the port, and MaxStartups and fail2ban there",
        ),
        (closed, f"{address} ended the connection before anybody could log in ({said})", there),
        (isinstance(error, SSHException), f"no SSH connection to {address} comes about ({said})", there),
        (True, f"{address} cannot be reached ({said})", "check the address and that its sshd runs"),
    )
    return next((fact, look) for fits, fact, look in kinds if fits)


def broken(host: Host, error: BaseException | None = None) -> str:
    """For a connection that has broken while it was used: what is left to do."""
    why = f" ({str(error) or type(error).__name__})" if error else ""
    return (
        f"the connection to {host.name} broke{why}; a command that ran there may go on to its end: see that the host "
        "is up, then run the same again: it goes on from what it finds"
    )


def lost(host: Host, within: float = 0.0) -> bool:
    """Whether the connection to ``host`` is gone, or goes within so many seconds (one that is not over SSH never)."""
    client = getattr(host.connector, "client", None)
    if client is None:
        return False
    transport = client.get_transport()
    if transport is not None and within:
        transport.join(within)  # it tells its channels before it says so itself
    return transport is None or not transport.is_active()
