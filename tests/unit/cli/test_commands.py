"""``livekit-metal COMMAND``: every procedure is one, also where there is no checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import livekit_metal
from livekit_metal.cli import commands, main
from livekit_metal.runtime.run import read_only

ROOT = Path(__file__).parents[3]
PACKAGE = Path(livekit_metal.__file__).parent


def test_every_procedure_is_a_command() -> None:
    files = {file.stem.replace("_", "-") for file in (ROOT / "procedures").glob("[a-z]*.py")}
    assert files | {"call", "janitor"} == set(commands.names())
    said = "\n".join(main.usage())
    assert all(f"\n  {name} " in said for name in ("init", *commands.names()))
    assert all(about for _, about in commands.table().values())


def test_a_deploy_file_is_run_by_pyinfra_from_the_package() -> None:
    file = str(PACKAGE / "procedures/remove_host.py")
    words = ["inventories/prod.py", "--limit", "lk3", "--data", "remove=lk3"]
    pyinfra = [sys.executable, "-m", "pyinfra", "inventories/prod.py", file, *words[1:]]
    assert commands.command("remove-host", words) == pyinfra


def test_a_file_that_only_reads_is_known_as_one_by_that_path() -> None:
    for name in ("status", "doctor"):
        assert (PACKAGE / f"procedures/{name}.py").resolve() in read_only.READERS


def test_the_doctor_without_an_inventory_is_no_run_of_pyinfra() -> None:
    doctor = [sys.executable, "-m", "livekit_metal.diagnosis", "--access", "access.json"]
    assert commands.command("doctor", ["--access", "access.json"]) == doctor


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["staus"], "livekit-metal staus: is no command; did you mean 'status'?\n"),
        (["drain"], "livekit-metal drain: names no inventory; write livekit-metal drain inventories/prod.py\n"),
        (
            ["drain", "--limit"],
            "livekit-metal drain: names no inventory; write livekit-metal drain inventories/prod.py\n",
        ),
    ],
)
def test_what_means_nothing_is_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(words) == 2
    assert capsys.readouterr().err == said


def run(*words: str | Path) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "livekit_metal", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_secrets_name_themselves_as_they_were_started(inventory: Path, deployed: object) -> None:
    status, out, err = run("secrets", inventory, "rotate", "redis")
    assert status == 0, err
    assert f"any more: livekit-metal secrets {inventory} retire redis\n" in out


def test_the_exit_status_is_the_programs(inventory: Path) -> None:
    status, _, err = run("secrets", inventory, "show")
    assert status == 1
    assert "does not exist yet" in err
    assert run("secrets", inventory, "nonsense")[0] == 2
