"""What an operator is told when a host cannot be connected to."""

from __future__ import annotations

from socket import gaierror
from types import SimpleNamespace
from typing import Any

import pytest
from paramiko import (
    AuthenticationException,
    BadHostKeyException,
    ChannelException,
    PasswordRequiredException,
    SSHException,
)

from livekit_metal.runtime.host.connect_errors import explained


class Data(dict[str, Any]):
    """Host data as pyinfra gives it: keys and attributes."""

    __getattr__ = dict.__getitem__


def host(**data: Any) -> Any:
    usual = {"ssh_hostname": "192.0.2.11", "ssh_port": 22, "ssh_user": "deploy", "ssh_known_hosts_file": "/k"}
    return SimpleNamespace(name="lk1", data=Data(usual | data))


@pytest.mark.parametrize(
    ("error", "data", "said"),
    [
        (
            OSError("timed out"),
            {},
            "hosts.lk1: 192.0.2.11 cannot be reached (timed out); check the address and that its sshd runs; "
            "try `ssh 192.0.2.11` by hand, or deploy without it: --exclude lk1",
        ),
        (
            AuthenticationException("Authentication failed."),
            {},
            "hosts.lk1: deploy may not log in (Authentication failed.); correct hosts.lk1.ssh.user or .key",
        ),
        (
            SSHException("StrictPolicy: No host key for 192.0.2.11 found in known_hosts"),
            {"ssh_known_hosts_file": None},
            "hosts.lk1: its host key is not in ~/.ssh/known_hosts; "
            "compare `ssh-keyscan 192.0.2.11` with the host's own key, then add it",
        ),
        (
            SSHException("StrictPolicy: No host key for 192.0.2.11 found in known_hosts"),
            {"ssh_port": 2222},
            "hosts.lk1: its host key is not in /k; "
            "compare `ssh-keyscan -p 2222 192.0.2.11` with the host's own key, then add it",
        ),
        (
            BadHostKeyException("192.0.2.11", None, None),  # type: ignore[arg-type]
            {"ssh_port": 2222},
            "hosts.lk1: its host key has changed, /k has another; if it was set up again, "
            "`ssh-keygen -R '[192.0.2.11]:2222' -f /k` and add the new; else it is another host",
        ),
        (
            SSHException("Error reading SSH protocol banner"),
            {},
            "hosts.lk1: what answers at 192.0.2.11 does not speak SSH, or turns this machine away (Error reading SSH "
            "protocol banner); check the port, and MaxStartups and fail2ban there; try `ssh 192.0.2.11` by "
            "hand, or deploy without it: --exclude lk1",
        ),
        (
            EOFError(),
            {"ssh_port": 2222},
            "hosts.lk1: 192.0.2.11 ended the connection before anybody could log in (EOFError); see its log "
            "(journalctl -u ssh), and MaxStartups and fail2ban there; try `ssh -p 2222 192.0.2.11` by hand, or deploy "
            "without it: --exclude lk1",
        ),
        (
            ChannelException(2, "Connect failed"),
            {},
            "hosts.lk1: the jump host opens no connection to 192.0.2.11 (Connect failed); see that it can connect "
            "there, and AllowTcpForwarding in its sshd; try `ssh 192.0.2.11` by hand, or deploy without it: "
            "--exclude lk1",
        ),
        (
            gaierror(-2, "Name or service not known"),
            {"ssh_hostname": "lk1.example.net"},
            "hosts.lk1: the name lk1.example.net, or that of its jump host, cannot be resolved ([Errno -2] Name or "
            "service not known); correct the address, or HostName and ProxyJump in OpenSSH's configuration; try `ssh "
            "lk1.example.net` by hand, or deploy without it: --exclude lk1",
        ),
        (
            PasswordRequiredException("private key file is encrypted"),
            {},
            "hosts.lk1: the key to log in with is encrypted (private key file is encrypted); give it to an agent: "
            "ssh-add FILE",
        ),
    ],
)
def test_each_failure_has_its_remedy(error: Exception, data: dict[str, Any], said: str) -> None:
    assert str(explained(host(**data), error)) == said
