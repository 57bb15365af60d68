"""What is tried before it runs is tried as its daemon: the shell text, with a systemd-run that tells its arguments."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from livekit_metal.roles.ingress.proof import Proof as Ingress
from livekit_metal.roles.livekit import proof
from livekit_metal.roles.livekit.proof import Proof as Livekit
from livekit_metal.roles.sip.proof import Proof as Sip
from livekit_metal.runtime.generations.generation import Generation
from livekit_metal.runtime.host import sandbox
from livekit_metal.site.model import Site
from tests.roles.conftest import FakeRun

UNIT = """# a unit
[Service]
Type=exec
User=somebody
Group=somebody
Environment=User=root
ExecStart=/x
ExecStopPost=+/bin/rm -f /y
Restart=always
RuntimeDirectory=x
MemoryDenyWriteExecute=yes
ProtectSystem=strict
ReadWritePaths=/var/lib/x
RestrictAddressFamilies=AF_INET AF_UNIX
SystemCallFilter=~@privileged @resources
"""
TAKEN = {
    "User=somebody",
    "Group=somebody",
    "MemoryDenyWriteExecute=yes",
    "ProtectSystem=strict",
    "RestrictAddressFamilies=AF_INET AF_UNIX",
    "SystemCallFilter=~@privileged @resources",
}


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a shell text; systemd-run prints its arguments, one a line."""
    program = tmp_path / "bin/systemd-run"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    environment = os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}"}

    def run(text: str, *args: str) -> subprocess.CompletedProcess[str]:
        command = ["sh", "-euc", text, "sh", *args]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


def test_it_has_what_its_unit_gives_it_and_no_network(
    run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    (tmp_path / "unit").write_text(UNIT)
    done = run(sandbox.check(f"{tmp_path}/unit", "/usr/sbin/program -c", "a b")(shlex.quote))
    words = done.stdout.splitlines()
    properties = {w.removeprefix("--property=") for w in words if w.startswith("--property=")}
    assert properties == TAKEN | {
        "PrivateNetwork=yes",
        "LimitCORE=0",
        "MemoryMax=1G",
        "TasksMax=256",
        "RuntimeMaxSec=60",
    }
    assert words[-3:] == ["/usr/sbin/program", "-c", "a b"]
    assert {"--wait", "--pipe", "--collect"} <= set(words)


@pytest.mark.parametrize("text", [None, "", UNIT.replace("User=somebody\n", "")])
def test_without_a_user_it_is_not_run_at_all(
    run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "unit").write_text(text)
    done = run(sandbox.check(f"{tmp_path}/unit", "program", "config")(str))
    assert done.returncode != 0
    assert done.stdout == ""
    assert "says not as whom" in done.stderr or "can't read" in done.stderr


@pytest.mark.parametrize("role", ["livekit", "ingress", "sip"])
def test_a_new_release_is_never_asked_as_root(
    streaming_site: Site, phones: Site, fake_run: Callable[..., FakeRun], role: str
) -> None:
    site = phones if role == "sip" else streaming_site
    settings = getattr(site.for_host("lk1"), role)
    generation = Generation("g", "/etc/x/g", "/opt/x/1-abc")
    proof = {"livekit": Livekit, "ingress": Ingress, "sip": Sip}[role](settings, generation)
    commands: list[str] = []

    class Host:
        name, data, current_op_global_arguments = "lk1", dict[str, str](), None

        def run_shell_command(self, command: object, **_: object) -> tuple[bool, object]:
            commands.append(command.get_raw_value())  # type: ignore[attr-defined]
            return True, type("Said", (), {"stdout": "", "stderr": ""})

    proof.check(Host(), settings.slots[0])  # type: ignore[arg-type]
    asked = [c for c in commands if "/opt/x/1-abc/" in c]
    assert asked
    for command in asked:
        assert "exec systemd-run" in command
        assert f"/etc/x/g/slot-{settings.slots[0]}.conf" in command


def test_nor_is_it_when_it_is_to_say_which_nodes_serve(
    run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """With the password that its unit's environment file has, and over the network: it asks Redis."""
    (tmp_path / "slot-a.conf").write_text(f"{UNIT}EnvironmentFile=/etc/x/environment\n")
    (tmp_path / "curl").write_text("#!/bin/sh\necho 'livekit_x{node_id=\"ND_1\"} 1'\n")
    text = proof._SERVING.replace("curl", f"sh {tmp_path}/curl").replace(" list-nodes |", " list-nodes >&2 |")
    words = ("6789", str(tmp_path), "/opt/x/1-abc/livekit-server", "a", *sandbox.inside(network=True))
    said = run(f"{text.rstrip()} || :", *words).stderr.splitlines()
    assert said[-6:] == [
        "/opt/x/1-abc/livekit-server",
        "--config",
        f"{tmp_path}/a.yaml",
        "--key-file",
        f"{tmp_path}/keys.yaml",
        "list-nodes",
    ]
    assert {"--property=User=somebody", "--property=EnvironmentFile=/etc/x/environment"} <= set(said)
    assert "--property=PrivateNetwork=yes" not in said
