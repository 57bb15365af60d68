"""The programs that read our files, as witnesses of what we render."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Verify = Callable[[str, str], float]


@pytest.fixture
def program() -> Callable[[str, str], str]:
    """The path of a program; without it the test fails, saying which Debian package has it."""

    def find(name: str, package: str) -> str:
        found = shutil.which(name)
        if found is None:
            pytest.fail(f"{name} is not here: run `make tools`, or apt install {package}")
        return found

    return find


@pytest.fixture
def verify_unit(tmp_path: Path, program: Callable[[str, str], str]) -> Verify:
    """Have systemd read unit ``name`` with ``text`` and find nothing to complain of; its exposure, of 10."""

    def verify(name: str, text: str) -> float:
        analyze = program("systemd-analyze", "systemd")
        unit = tmp_path / name
        # the daemon itself need not be installed where the tests run
        unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE))
        read = subprocess.run([analyze, "verify", "--man=no", unit], capture_output=True, text=True, check=False)
        assert read.returncode == 0, read.stderr
        assert not [line for line in read.stderr.splitlines() if name in line], read.stderr
        judge = [analyze, "security", "--offline=true", "--no-pager", unit]
        said = subprocess.run(judge, capture_output=True, text=True, check=True).stdout
        exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
        assert exposure, said
        return float(exposure[1])

    return verify


def as_us(rules: str) -> str:
    """Rules about livekit-server's user, made to be about whoever runs the tests: root of a namespace."""
    return rules.replace('meta skuid "livekit"', "meta skuid 0")
