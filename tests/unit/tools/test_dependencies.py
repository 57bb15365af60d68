"""What is declared is what is imported; locks and versions agree."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from livekit_metal.runtime.probe import bundle

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK, CALLS = ROOT / "requirements.lock", ROOT / "livekit_metal/runtime/probe/requirements.lock"
RUN = {"pip"}  # started as a program: livekit_metal/runtime/probe/bundle.py


def names(requirements: Iterable[str]) -> set[str]:
    found = (re.match(r"[A-Za-z0-9._-]+", text) for text in requirements)
    return {each.group().lower() for each in found if each}


def imported(files: Iterable[Path]) -> set[str]:
    """The distributions that have the modules which files import, ours and Python's own aside."""
    modules: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module)
    # roles/agents/on_host runs beside the agents of others, with their packages
    own = {"livekit_metal", "procedures", "told"} | sys.stdlib_module_names
    return {_distribution(name) for name in modules if name.partition(".")[0] not in own}


def _distribution(module: str) -> str:
    top, _, inner = module.partition(".")
    if top == "livekit":  # three of them have a part of it
        return next((f"livekit-{part}" for part in ("api", "protocol") if inner.startswith(part)), top)
    return metadata.packages_distributions()[top][0].lower()


def pins(lock: Path) -> dict[str, str]:
    """Name and marker -> version."""
    found = re.findall(r"^([a-z0-9._-]+)==(\S+)([^\\\n]*)", lock.read_text(), re.MULTILINE)
    return {f"{name}{marker.rstrip()}": version for name, version, marker in found}


def test_every_import_is_declared_and_every_declaration_is_used() -> None:
    files = [file for top in ("livekit_metal", "roles", "procedures") for file in (ROOT / top).rglob("*.py")]
    assert imported(files) | RUN == names(PROJECT["project"]["dependencies"])


def test_hosts_that_make_calls_get_what_these_import() -> None:
    files = [file for place in bundle._CODE for file in sorted((ROOT / place).glob("*.py")) or [ROOT / place]]
    inside = imported(files) - {"pyinfra"}  # of livekit_metal.configure(), which nobody calls there
    assert inside <= names(pins(CALLS))
    assert names(PROJECT["dependency-groups"]["call"]) <= inside


def test_calls_from_hosts_are_made_with_the_versions_of_the_controller() -> None:
    here = {line.partition(" ;")[0]: version for line, version in pins(LOCK).items()}
    for name, version in pins(CALLS).items():
        if "numpy" not in name:  # has two, for two Pythons
            assert here[name.partition(" ;")[0]] == version
    assert {v for n, v in pins(CALLS).items() if "numpy" in n} == {v for n, v in pins(LOCK).items() if "numpy" in n}


def test_the_changelog_knows_the_version() -> None:
    newest = re.search(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert newest.group(1) == PROJECT["project"]["version"]


def test_every_condition_of_pyinfra_is_the_same() -> None:
    (declared,) = (each for each in PROJECT["project"]["dependencies"] if each.startswith("pyinfra"))
    assert f'"{declared.removeprefix("pyinfra")}"' in (ROOT / "livekit_metal/__init__.py").read_text()
