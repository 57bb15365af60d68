"""A deploy by pyinfra itself asks the host for an address that changes: over SSH, of a STUN server, both stand-ins."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paramiko
import pytest

from tests.support.hosts import sshd
from tests.support.network.stun import mapped, server

PYINFRA = Path(sys.executable).with_name("pyinfra")
ROOT = Path(__file__).parents[3]
INVENTORY = """from livekit_metal import load

site = {
    "hosts": {
        "lk1": {
            "address": "127.0.0.1",
            "public": "discover",
            "stun": ["STUN"],
            "roles": ["livekit", "redis"],
            "ssh": {"port": SSH, "key": "KEY", "known_hosts": "KNOWN", "config": "/dev/null"},
        }
    },
    "livekit": {"source": "file", "file": "program", "sha256": "SUM"},
}
hosts = load(site, __file__)
"""


@dataclass
class Machine(sshd.Server):
    """This machine, over SSH: a dry run only looks at it."""

    asked: list[str] = field(default_factory=list)

    def check_channel_exec_request(self, channel: Any, command: bytes) -> bool:
        self.asked.append(command.decode())
        threading.Thread(target=self._run, args=(channel, command), daemon=True).start()
        return True

    def _run(self, channel: Any, command: bytes) -> None:
        done = subprocess.run(
            ["sh", "-c", command.decode()], capture_output=True, check=False, stdin=subprocess.DEVNULL
        )
        channel.sendall(done.stdout)
        channel.sendall_stderr(done.stderr)
        channel.send_exit_status(done.returncode)
        channel.close()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    monkeypatch.setattr(sshd, "Server", Machine)
    with sshd.serving() as made:
        assert isinstance(made, Machine)
        yield made


def dry(directory: Path, machine: Machine, stun: str) -> Any:
    """A run that changes nothing, of a site of one host."""
    key = paramiko.RSAKey.generate(2048)
    key.write_private_key_file(str(directory / "key"))
    known = f"{machine.key.get_name()} {machine.key.get_base64()}"
    (directory / "known").write_text(f"[127.0.0.1]:{machine.port} {known}\n")
    (directory / "program").write_bytes(b"a program")
    said = {"STUN": stun, "SSH": str(machine.port), "SUM": hashlib.sha256(b"a program").hexdigest()}
    said |= {"KEY": str(directory / "key"), "KNOWN": str(directory / "known")}
    text = INVENTORY
    for name, value in said.items():
        text = text.replace(name, value)
    (directory / "home.py").write_text(text)
    (directory / "config.py").write_text("import livekit_metal\n\nlivekit_metal.configure()\n")
    (directory / "deploy.py").write_text("import livekit_metal\n\nlivekit_metal.deploy()\n")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(directory / "keys")}
    command = [PYINFRA, "--dry", "home.py", "deploy.py"]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)


def test_it_is_asked_once_and_a_run_that_changes_nothing_keeps_nothing(tmp_path: Path, machine: Machine) -> None:
    with server(lambda request: mapped(request, "203.0.113.7")) as stun:
        done = dry(tmp_path, machine, stun)
    assert done.returncode == 0, done.stderr
    (question,) = [each for each in machine.asked if stun in each]
    assert "127.0.0.1" in question
    assert not (tmp_path / "home.addresses").exists()


def test_a_deploy_without_an_answer_is_refused_before_anything_is_declared(tmp_path: Path, machine: Machine) -> None:
    with server() as silent:
        done = dry(tmp_path, machine, silent)
    assert done.returncode != 0
    assert f"hosts.lk1.public: is discover, and no server has answered: {silent}; let lk1 send UDP there" in done.stderr
    assert "Preflight" not in done.stderr
