"""The package of this checkout, built from a copy: setuptools leaves files beside what it packs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
_FILES = ("pyproject.toml", "README.md", "LICENSE")
_FOLDERS = ("livekit_metal", "roles", "templates", "procedures")


def build(directory: Path) -> tuple[Path, Path]:
    """The wheel, made from the source archive, and that archive. Nothing is fetched: setuptools is in the lock."""
    source, into = directory / "source", directory / "dist"
    source.mkdir(parents=True)
    for file in _FILES:
        shutil.copy(ROOT / file, source)
    for folder in _FOLDERS:
        shutil.copytree(ROOT / folder, source / folder, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "uv", "build", "--quiet", "--offline", "--no-build-isolation"]
    done = subprocess.run(
        [*command, "--python", sys.executable, "--out-dir", into, source], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"run `make setup` if setuptools is missing: {done.stderr}"
    (wheel,), (archive,) = into.glob("*.whl"), into.glob("*.tar.gz")
    return wheel, archive
