"""Locks of fleets: uv.lock, and package-lock.json of a fleet for Node. A bad one is told before a host is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.roles.agents.locks import node as lock_node
from livekit_metal.roles.agents.locks import python as lock_python
from livekit_metal.site.model import Site
from tests.support.values.agents import ECHO_NODE, talking

Make = Callable[[dict[str, Any]], Site]
HASH = "sha256:" + "ab" * 32
PROJECT = (
    '[project]\nname = "bot"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["livekit-agents==1.8.9"]\n'
)
UV = f"""version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "bot"
version = "1"
source = {{ virtual = "." }}
dependencies = [{{ name = "livekit-agents" }}]

[package.metadata]
requires-dist = [{{ name = "livekit-agents", specifier = "==1.8.9" }}]

[[package]]
name = "livekit-agents"
version = "1.8.9"
source = {{ registry = "https://index.invalid/simple" }}
wheels = [{{ url = "https://index.invalid/livekit_agents-1.8.9-py3-none-any.whl", hash = "{HASH}" }}]
"""


def said(make_site: Make, source: dict[str, Any]) -> list[str]:
    with pytest.raises(SiteError) as refused:
        make_site(talking(echo={"source": source}))
    return [str(problem) for problem in refused.value.problems]


@pytest.fixture
def uv(tmp_path: Path) -> Path:
    made = tmp_path / "bot"
    made.mkdir()
    (made / "agent.py").write_text("")
    (made / "pyproject.toml").write_text(PROJECT)
    (made / "uv.lock").write_text(UV)
    return made


def test_uv_s_own_lock_is_read_as_requirements_with_hashes(make_site: Make, uv: Path) -> None:
    assert make_site(talking(echo={"source": {"python": "bot"}}))
    assert lock_python.framework(uv) == "1.8.9"
    assert lock_python.told("agents.echo", uv).decode() == f"livekit-agents==1.8.9 --hash={HASH}"
    (uv / "requirements.txt").write_text(f"livekit-agents==1.8.8 --hash={HASH}\n")
    assert lock_python.framework(uv) == "1.8.8", "requirements.txt counts where both are"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (HASH, "", "has 'livekit-agents' without a hash; write it again: uv lock"),
        ('registry = "https://index.invalid/simple"', 'git = "https://x"', "has 'livekit-agents' from git"),
        ('requires-python = ">=3.11"', 'requires-python = ">=3.13"', "is 3.11, and uv.lock asks for >=3.13"),
        ("[[package]]", "[[pack]]", "is no lock of uv's; write it: uv lock"),
        ("version = 1", "version = ", "is no lock of uv's; write it: uv lock"),
    ],
)
def test_a_lock_of_uv_s_that_cannot_be_used_is_told(make_site: Make, uv: Path, old: str, new: str, words: str) -> None:
    (uv / "uv.lock").write_text(UV.replace(old, new))
    (problem,) = said(make_site, {"python": "bot"})
    assert words in problem


def test_uv_says_itself_what_it_cannot_read(uv: Path) -> None:
    (uv / "pyproject.toml").write_text("[project]\n")
    with pytest.raises(SiteError) as refused:
        lock_python.told("agents.echo", uv)
    assert "agents.echo.source: " in str(refused.value)
    assert "uv.lock cannot be read; see what uv says" in str(refused.value)


def node(where: Path, **changes: Any) -> Path:
    """A fleet for Node in ``where``; ``changes``: of its lock."""
    root = where / "bot"
    root.mkdir(exist_ok=True)
    (root / "agent.js").write_text("")
    (root / "package.json").write_text("{}")
    module = {"version": "1.9.0", "integrity": "sha512-x"}
    packages = {"": {"engines": {"node": ">=18.17"}}, "node_modules/@livekit/agents": module}
    (root / "package-lock.json").write_text(json.dumps({"lockfileVersion": 3, "packages": packages} | changes))
    return root


def test_a_fleet_for_node_has_a_lock_of_npm_s(make_site: Make, tmp_path: Path) -> None:
    assert lock_node.framework(node(tmp_path)) == "1.9.0"
    site = make_site(talking(echo={"source": {"node": "bot"}}))
    assert "nodejs" in site.for_host("lk1").base.needed
    assert "nodejs" not in make_site(talking()).for_host("lk1").base.needed
    assert not list(lock_node.problems("agents.echo.source", Path(ECHO_NODE), "18")), "the example"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lockfileVersion": 1}, "is no lock of npm 7 or newer; write it: npm install --package-lock-only"),
        ({"packages": {"node_modules/a": {"version": "1"}}}, "has 'a' without a hash (integrity); write it"),
        ({"packages": {"node_modules/a": {"link": True}}}, "has 'a' from somewhere else; publish it to a registry"),
        ({"packages": {"node_modules/a": {"resolved": "git+ssh://x", "integrity": "s"}}}, "has 'a' from somewhere"),
        ({"packages": {"": {"engines": {"node": ">=20"}}}}, "interpreter: is 18, and package.json asks for >=20; name"),
    ],
)
def test_a_lock_of_npm_s_that_cannot_be_used_is_told(
    make_site: Make, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    node(tmp_path, **changes)
    (problem,) = said(make_site, {"node": "bot"})
    assert words in problem


def test_a_fleet_is_in_one_language_and_its_parts_fit(make_site: Make, tmp_path: Path) -> None:
    root = node(tmp_path)
    assert said(make_site, {}) == ["agents.echo.source: has no directory; name one directory: python, or node"]
    assert "has both python and node" in said(make_site, {"python": "bot", "node": "bot"})[0]
    assert "is 'agent.py'; write a JavaScript file" in said(make_site, {"node": "bot", "entrypoint": "agent.py"})[0]
    assert "is '../a.js'" in said(make_site, {"node": "bot", "entrypoint": "../a.js"})[0]
    assert "is 3.11; write one of this language: 18, 20" in said(make_site, {"node": "bot", "interpreter": "3.11"})[0]
    (root / "package-lock.json").unlink()
    assert "has no package-lock.json; write it" in said(make_site, {"node": "bot"})[0]


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ("", True), ("*", True), (">=18", True), (">= 18", True), ("18", True), ("18.x", True), ("^18.17.0", True),
        ("^18.19.0 || >=20.6.0", True), ("18 || 20 || >=22", True), ("16 - 18", True), (">18.19.0", True),
        ("<20", True), ("nothing-known", True),
        (">=20.9.0", False), ("^20", False), ("20 || >=22", False), ("<18", False), ("~18.17", False), (">18", False),
        ("16 - 17", False), (">=18 <18.10", False), ("<=18.18", False),
    ],
)  # fmt: skip
def test_which_node_a_package_asks_for(wanted: str, fits: bool) -> None:
    assert lock_node.satisfies((18, 19, 1), wanted) is fits
