"""--data NAME=VALUE: what is read, what is refused."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from livekit_metal.core.switches import Switches, problems, switches, table
from tests.support.hosts.lab import ROOT

PYINFRA = Path(sys.executable).parent / "pyinfra"


def said(plan: str, **data: object) -> list[str]:
    return [str(problem) for problem in problems(data, plan)]


def test_nothing_given_is_nothing_asked() -> None:
    assert switches({}.get) == Switches()


def test_each_kind_is_read() -> None:
    data: dict[str, object] = {"accept": "ab12,cd34", "version-skip": "accept", "edge": "no", "why": 3, "from": "lk2"}
    assert switches(data.get) == Switches(
        accept=("ab12", "cd34"), version_skip=True, edge=False, why="3", vantage="lk2"
    )


@pytest.mark.parametrize(
    ("plan", "name", "value", "expected"),
    [
        ("deploy", "acept", "x", "--data acept: is unknown to deploy.py; did you mean 'accept'?"),
        (
            "deploy",
            "jmup",
            "accept",
            "--data jmup: is unknown to deploy.py; known here: accept, edge, lock, refresh, secrets, version-skip",
        ),
        ("deploy", "jump", "accept", "--data jump: is called version-skip now; write version-skip=accept"),
        ("deploy", "edge", "restrat", "--data edge: is 'restrat'; write edge=restart, or leave it out"),
        ("deploy", "calls", "drop", "--data calls: means nothing to deploy.py; it is for remove_host, patch"),
        ("status", "why", "x", "--data why: means nothing to status.py; it is for drain, rollback"),
    ],
)
def test_what_nothing_would_read_is_refused(plan: str, name: str, value: str, expected: str) -> None:
    assert [str(problem) for problem in problems({name: value}, plan)] == [expected]


def test_what_is_right_is_not_mentioned() -> None:
    assert said("drain", back="yes", accept="ab12", lock="break") == []
    assert said("remove_host", remove="lk1", calls="drop") == []
    assert said("deploy", ssh_user="admin", _sudo="True") == []


def test_a_plan_of_somebody_else_has_data_of_its_own() -> None:
    assert said("mine", colour="green") == []


def test_no_switch_is_read_past_the_table() -> None:
    """host.data holds them too: who reads one there has a switch that this page does not list."""
    names = {switch.partition("=")[0] for switch, _, _ in table()}
    for file in [ROOT / "deploy.py", *(ROOT / "roles").rglob("*.py"), *(ROOT / "procedures").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("host.data.get"):
                read = {argument.value for argument in node.args if isinstance(argument, ast.Constant)}
                assert not read & names, file


def test_a_run_is_refused_before_it_connects(tmp_path: Path) -> None:
    inventory = tmp_path / "there.py"
    inventory.write_text(
        "from livekit_metal import load\n"
        "site = {'hosts': {'lk1': {'address': '192.0.2.1', 'roles': ['livekit', 'redis']}},"
        f" 'secrets_key': {str(tmp_path / 'key')!r}}}\n"
        "hosts = load(site, __file__)\n"
    )
    done = subprocess.run(
        [PYINFRA, "-y", inventory, "deploy.py", "--data", "accpet=ab12"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "--data accpet: is unknown to deploy.py; did you mean 'accept'?" in done.stderr
    assert "Connecting" not in done.stdout + done.stderr
