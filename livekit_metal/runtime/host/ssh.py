"""The controller's own way to a host, tried beside the connection that deploys."""

from __future__ import annotations

import logging
import time
from typing import Any

from paramiko import SSHException
from pyinfra.api.host import Host
from pyinfra.connectors.sshuserclient import SSHClient

from livekit_metal.runtime.host.commands import HostError

_PAUSE = 0.5  # seconds between two attempts
# What paramiko's thread has to say of an attempt that fails is a traceback; the words for it are those of the error.
_SILENT = logging.getLogger("livekit_metal.new_login")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


def new_login(host: Host, within: float) -> None:
    """Log in over a new SSH connection with the connector's own parameters. Raises HostError after ``within`` seconds.

    A connection that exists proves nothing about a firewall: it is let through as established.
    """
    if not hasattr(host.connector, "make_paramiko_kwargs"):  # @fake: there is no SSH to be locked out of
        return
    end = time.monotonic() + within
    while True:
        try:
            _attempt(host.connector.make_paramiko_kwargs(), end - time.monotonic())
        except (OSError, EOFError, SSHException) as error:
            if time.monotonic() + _PAUSE > end:
                said = str(error) or type(error).__name__
                raise HostError(f"no new SSH connection to {host.name} within {within:.0f} s ({said})") from error
            time.sleep(_PAUSE)
        else:
            return


def _attempt(connection: dict[str, Any], seconds: float) -> None:
    name = connection.pop("hostname")
    each = max(seconds / 3, 1.0)  # TCP, the server's banner, the key: paramiko limits them one by one
    client = SSHClient()
    client.set_log_channel(_SILENT.name)
    try:
        client.connect(name, **connection | {"timeout": each, "banner_timeout": each, "auth_timeout": each})
    finally:
        client.close()
