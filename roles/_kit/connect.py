"""Why a host cannot be connected to, in words that say what to do about it. pyinfra says only that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from paramiko import AuthenticationException, BadHostKeyException, SSHException
from pyinfra.api.state import BaseStateCallback

from stack.errors import Problem

if TYPE_CHECKING:
    from pyinfra.api.host import Host
    from pyinfra.api.state import State


class Connecting(BaseStateCallback):
    """Explains every connection that fails; pyinfra ends the run then, before anything is done on any host."""

    def host_connect_error(self, state: State, host: Host, error: Exception) -> None:  # type: ignore[override]
        problem = explained(host, error.__context__ or error)
        click.secho(f"    {problem}", fg="red", err=True)


def explained(host: Host, error: BaseException) -> Problem:
    """What ``error``, raised while connecting to ``host``, means for the operator."""
    path, data = f"hosts.{host.name}", host.data
    address, known = data.get("ssh_hostname"), data.get("ssh_known_hosts_file") or "~/.ssh/known_hosts"
    port = "" if data.get("ssh_port") in (None, 22) else f"-p {data.ssh_port} "
    entry = f"'[{address}]:{data.ssh_port}'" if port else address
    if isinstance(error, BadHostKeyException):
        remedy = f"if it was set up anew, `ssh-keygen -R {entry} -f {known}` and add the new; else it is another host"
        return Problem(path, f"its host key has changed, {known} has another", remedy)
    if isinstance(error, AuthenticationException):
        return Problem(path, f"{data.get('ssh_user')} may not log in ({error})", f"correct {path}.ssh.user or .key")
    if isinstance(error, SSHException) and "No host key" in str(error):
        remedy = f"compare `ssh-keyscan {port}{address}` with the host's own key, then add it"
        return Problem(path, f"its host key is not in {known}", remedy)
    remedy = f"check {path}.address and that its sshd runs, or deploy without it: --exclude {host.name}"
    return Problem(path, f"{address} cannot be reached ({error})", remedy)
