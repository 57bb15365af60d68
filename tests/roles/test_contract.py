"""What every role must have. Walks the roles: adding one adds its checks."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from stack.fields import options
from stack.site import Site

ROOT = Path(__file__).parents[2]
ROLES = sorted(p.name for p in (ROOT / "roles").iterdir() if p.is_dir() and p.name[0] not in "_.")
MOST_LINES = 250


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_its_parts(role: str) -> None:
    folder = ROOT / "roles" / role
    assert {"__init__.py", "settings.py", "tasks.py"} <= {p.name for p in folder.iterdir()}
    assert role in options(Site), "a role is a field of Site"
    assert f"{role}." in (ROOT / "deploy.py").read_text(), "a role has its lines in deploy.py"
    for layer in ("render", "roles", "host"):
        if layer == "render" and not (ROOT / "templates" / role).is_dir():
            continue
        assert (ROOT / "tests" / layer / f"test_{role}.py").exists(), f"tests/{layer}/test_{role}.py is missing"


@pytest.mark.parametrize("role", ROLES)
def test_a_role_imports_no_other_role(role: str) -> None:
    for file in (ROOT / "roles" / role).glob("*.py"):
        for name in _imports(file):
            assert not name.startswith("roles.") or name.split(".")[1] in (role, "_kit"), f"{file.name}: {name}"


@pytest.mark.parametrize("role", ROLES)
def test_a_role_reads_no_host_data_and_says_what_it_is(role: str) -> None:
    for file in (ROOT / "roles" / role).glob("*.py"):
        text = file.read_text()
        assert "host.data" not in text, file.name
        assert ast.get_docstring(ast.parse(text)), f"{file.name} has no docstring"


@pytest.mark.parametrize("role", [p.name for p in sorted((ROOT / "templates").iterdir())])
def test_every_template_belongs_to_its_role_and_is_rendered(role: str) -> None:
    assert role in (*ROLES, "_kit")
    code = "".join(p.read_text() for p in (ROOT / "roles" / role).glob("*.py"))
    code += "".join(p.read_text() for p in (ROOT / "templates" / role).iterdir())  # one may come in by another
    for template in (ROOT / "templates" / role).iterdir():
        assert f"{role}/{template.name}" in code, f"{template} is rendered by nobody"
        assert "Managed by livekit-metal" in template.read_text(), f"{template} says not who manages it"


def test_stack_and_settings_are_read_without_pyinfra() -> None:
    code = "import sys, stack.inventory; sys.exit(any(m.split('.')[0] in ('pyinfra', 'paramiko') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("folder", ["stack", "roles", "procedures", "lab", "tests", "bench", "docs", "inventories"])
def test_no_file_is_too_long(folder: str) -> None:
    long = {p.name: n for p in (ROOT / folder).rglob("*.py") if (n := len(p.read_text().splitlines())) > MOST_LINES}
    assert not long


def _imports(file: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names += [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
            if node.module == "roles":
                names += [f"roles.{a.name}" for a in node.names]
    return names
