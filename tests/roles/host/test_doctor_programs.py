"""What the doctor asks a host about rules of others and about its cores, of nft itself and of a process here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from livekit_metal.core import shell
from livekit_metal.diagnosis.on_host import queries, rules
from livekit_metal.diagnosis.on_host.cores import Waits
from livekit_metal.site.model import Site
from tests.support.programs.fakes import Fakes

OURS = "table inet livekit_metal { chain input { type filter hook input priority 0; udp dport 50000-60000 drop; }; }"
THEIRS = """table inet others {
  set bad { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2 } }
  chain mine { udp dport 50000-60000 counter drop comment "theirs"; tcp dport { ssh, 7882 } reject; }
  chain i { type filter hook input priority -300; policy accept; ip saddr @bad drop; jump mine; }
}"""


def test_nft_itself_lists_what_is_read(cluster: Site) -> None:
    unshare = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    if subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no namespaces here")
    script = f'printf "%s\n" "$1" | nft -f -\n{queries.RULES}'
    command = [*unshare, "sh", "-euc", script, "sh", f"{OURS}\n{THEIRS}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "livekit_metal" not in done.stdout
    (row,) = rules.checks("lk2", cluster.ports("lk2"), "eth0", done.stdout.splitlines())
    assert "in chain mine: udp dport 50000-60000" in row.said
    assert "in chain mine: tcp dport { 22, 7882 } reject" in row.said
    assert {"udp", "tcp"} <= {*row.explains}


def test_what_a_process_has_waited_is_read_from_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "active").write_text("livekit b\n")
    fakes = Fakes(tmp_path, systemctl=f'[ "$4" = livekit-server@b.service ] && echo {os.getpid()}')
    program = shell.program(queries.__file__, "waits")
    waits = Waits.read(fakes.run(None, program, str(tmp_path / "active"), "livekit-server@%.service").splitlines())
    assert waits is not None
    assert waits.pid == os.getpid()
    assert waits.ran > 0
    assert waits.turns > 0
    assert waits.ticks > waits.idle
    fakes.program("systemctl", "echo 0")
    assert not fakes.run(None, program, str(tmp_path / "active"), "livekit-server@%.service")
