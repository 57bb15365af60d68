"""What every role must have. Walks the roles: adding one adds its checks."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

from livekit_metal import roles
from livekit_metal.core.fields import options
from livekit_metal.site import loading
from livekit_metal.site.slotted_settings import SlottedSettings

ROOT = Path(__file__).parents[3]
ROLES = sorted(p.name for p in (ROOT / "roles").iterdir() if p.is_dir() and p.name[0] not in "_.")
MOST_LINES = 250
KNOW_THE_SITE = (
    "about.py",
    "authority.py",
    "certificates.py",
    "preflight.py",
    "wiring.py",
)  # and so the other roles' settings


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_its_parts(role: str) -> None:
    folder = ROOT / "roles" / role
    assert {"__init__.py", "about.py", "settings.py", "tasks.py", "turns.py"} <= {p.name for p in folder.iterdir()}
    assert role in roles.NAMES, "a role is in the list"
    assert role in options(loading.site_class()), "a role is a section of the site"
    for layer in ("render", "roles", "host"):
        if layer == "render" and not (ROOT / "templates" / role).is_dir():
            continue
        assert list((ROOT / "tests" / layer).rglob(f"test_{role}.py")), f"tests/{layer}/**/test_{role}.py is missing"


@pytest.mark.parametrize("role", ROLES)
def test_what_knows_no_site_imports_no_other_role(role: str) -> None:
    for file in (ROOT / "roles" / role).glob("*.py"):
        for name in _imports(file) if file.name not in KNOW_THE_SITE else ():
            assert not name.startswith("livekit_metal.roles.") or name.split(".")[2] == role, f"{file.name}: {name}"


@pytest.mark.parametrize("role", ROLES)
def test_a_role_reads_no_host_data_and_says_what_it_is(role: str) -> None:
    for file in (ROOT / "roles" / role).glob("*.py"):
        text = file.read_text()
        assert "host.data" not in text, file.name
        assert ast.get_docstring(ast.parse(text)), f"{file.name} has no docstring"


@pytest.mark.parametrize("role", [p.name for p in sorted((ROOT / "templates").iterdir())])
def test_every_template_belongs_to_its_role_and_is_rendered(role: str) -> None:
    assert role in (*ROLES, "runtime")
    home = ROOT / "roles" / role if role in ROLES else ROOT / "livekit_metal/runtime"
    code = "".join(p.read_text() for p in home.rglob("*.py"))
    code += "".join(p.read_text() for p in (ROOT / "templates").rglob("*.j2"))  # one may come in by another
    # a daemon in slots has its configuration, its drop-in and its unit by the names that all have
    settings = getattr(loading.site_class()(hosts={}), role).__class__ if role in ROLES else None
    slotted = settings is not None and issubclass(settings, SlottedSettings)
    usual = {f"{role}.yaml.j2", "slot.conf.j2", f"{settings.unit.format('')}.j2"} if slotted else set()
    # and so does each of the daemons of a role that has several
    several = any(each.several for each in loading.every_role() if each.name == role)
    usual |= {f"{role}.yaml.j2", "slot.conf.j2", f"livekit-{role}@.service.j2"} if several else set()
    for template in (ROOT / "templates" / role).iterdir():
        if template.name in usual:
            continue
        assert f"{role}/{template.name}" in code or f'"{template.name}"' in code, f"{template} is rendered by nobody"
        text = template.read_text()
        assert "Managed by livekit-metal" in text or "{% extends" in text, f"{template} says not who manages it"


def test_a_site_is_read_without_pyinfra() -> None:
    code = "import sys, livekit_metal.site.inventory; sys.exit(bool({'pyinfra', 'paramiko'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    "folder", ["livekit_metal", "roles", "procedures", "lab", "tests", "bench", "docs", "inventories"]
)
def test_no_file_is_too_long(folder: str) -> None:
    long = {p.name: n for p in (ROOT / folder).rglob("*.py") if (n := len(p.read_text().splitlines())) > MOST_LINES}
    assert not long


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = grimp.build_graph("livekit_metal")  # with what stands under TYPE_CHECKING
    TopologicalSorter({m: graph.find_modules_directly_imported_by(m) for m in graph.modules}).prepare()


MOST_MODULES = 15
TOPS = ("livekit_metal", "roles", "lab", "procedures", "tests")
PACKAGES = sorted({p.parent.relative_to(ROOT) for top in TOPS for p in (ROOT / top).rglob("*.py")})


@pytest.mark.parametrize("folder", PACKAGES, ids=str)
def test_no_folder_is_a_drawer(folder: Path) -> None:
    assert len(list((ROOT / folder).glob("*.py"))) <= MOST_MODULES, "sort it into rooms"


def _imports(file: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names += [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
            if node.module == "livekit_metal.roles":
                names += [f"{node.module}.{a.name}" for a in node.names]
    return names


@pytest.mark.parametrize("role", [role.name for role in loading.every_role() if role.slots and role.reports])
def test_a_role_is_hardly_named_outside_of_its_folder(role: str) -> None:
    """Only in the list of roles, as an option of upstream's, and where a procedure is for it alone."""
    code = [ROOT / "deploy.py", ROOT / "config.py"]
    for room in ("livekit_metal", "roles", "procedures", "docs", "bench"):
        code += [path for path in (ROOT / room).rglob("*.py") if f"roles/{role}/" not in str(path)]
    code = [path for path in code if "docs/setups" not in str(path)]  # inventories
    named = sorted(str(p.relative_to(ROOT)) for p in code if re.search(rf"\b{role}\b", p.read_text()))
    assert len(named) <= 5, named
