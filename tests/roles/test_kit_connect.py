"""What an operator is told when a host cannot be connected to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from paramiko import AuthenticationException, BadHostKeyException, SSHException

from roles._kit.connect import explained


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
            "hosts.lk1: 192.0.2.11 cannot be reached (timed out); check hosts.lk1.address and that its sshd runs, "
            "or deploy without it: --exclude lk1",
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
            "hosts.lk1: its host key has changed, /k has another; if it was set up anew, "
            "`ssh-keygen -R '[192.0.2.11]:2222' -f /k` and add the new; else it is another host",
        ),
        (
            SSHException("Error reading SSH protocol banner"),
            {},
            "hosts.lk1: 192.0.2.11 cannot be reached (Error reading SSH protocol banner); check hosts.lk1.address and "
            "that its sshd runs, or deploy without it: --exclude lk1",
        ),
    ],
)
def test_each_failure_has_its_remedy(error: Exception, data: dict[str, Any], said: str) -> None:
    assert str(explained(host(**data), error)) == said
