"""The wheel has every file of ours that an installed livekit-metal needs, and none besides."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import setuptools

from tests.support.artifacts.package import ROOT, build


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(tmp_path_factory.mktemp("package"))


def ours() -> set[str]:
    """What git has, by its path in the package: links are the folders that they lead to."""
    folders = ("livekit_metal", "roles", "templates", "procedures")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    files = {name for name in listed if (ROOT / name).is_file()}
    return {name if name.startswith("livekit_metal/") else f"livekit_metal/{name}" for name in files}


def test_the_wheel_is_whole(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[0]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == ours()
    assert {name.rpartition(".")[2] for name in names} >= {"py", "j2", "toml", "mod", "sum", "lock", "typed"}


def test_the_archive_of_the_source_has_the_same(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[1]) as archive:
        names = {member.name.partition("/")[2] for member in archive if member.isfile()}
    assert {name for name in names if name.startswith("livekit_metal/")} == ours()
    assert {"pyproject.toml", "README.md", "LICENSE"} <= names


_NAME = "import sys; sys.path.append('.'); import livekit_metal; print(livekit_metal.NAME)"


def test_an_installed_checkout_gives_way_to_the_folder_that_one_stands_in(tmp_path: Path) -> None:
    """Two checkouts may share an environment: pyinfra puts the working directory last, and still it must win."""
    for name in ("installed", "here"):
        package = tmp_path / name / "livekit_metal"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f"NAME = {name!r}\n")
    here = tmp_path / "here"
    (tmp_path / "installed/pyproject.toml").write_text(
        (ROOT / "pyproject.toml").read_text().partition("[tool.ruff]")[0].replace('readme = "README.md"\n', "")
    )
    (tmp_path / "installed/LICENSE").touch()
    environment, uv = tmp_path / "venv", [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--offline", "--python", sys.executable, environment], check=True)
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "shared.pth").write_text(f"{Path(setuptools.__file__).parents[1]}\n")  # what builds it
    install = [*uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--no-build-isolation"]
    into = ["--python", environment, "--editable", tmp_path / "installed"]
    done = subprocess.run([*install, *into], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    command = [environment / "bin/python", "-P", "-c", _NAME]
    said = [subprocess.run(command, cwd=at, capture_output=True, text=True, check=True) for at in (here, tmp_path)]
    assert [each.stdout for each in said] == ["here\n", "installed\n"]
