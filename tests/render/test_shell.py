"""Programs in shell: each is a file, and shellcheck has nothing to say about it, nor about what templates render."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from livekit_metal.core import shell
from livekit_metal.runtime.host import old_code

PROGRAMS = sorted({p for top in ("roles", "livekit_metal", "lab") for p in Path(top).rglob("*.sh")})
GOLDEN = sorted(Path("tests/golden").rglob("*.sh"))
# What a rendered program may have: a loop over the one name of a host (2043), one file among those that cat reads
# (2002); a pipeline that only names the file in a message (2094), names that are ours (2012), `||` for both (2015).
RENDERED = "SC2002,SC2012,SC2015,SC2043,SC2094"
PERL = re.compile(r"^use IO::|\bmy \(")
SHELL = re.compile(r"\$\(|\|\| |&& |>/dev/null|\bdone\b|\bsystemctl\b|\bset -eu\b|\bumask \d")


def checked(text: str, *options: str) -> str:
    command = ["shellcheck", "--shell=sh", "--format=gcc", *options, "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False).stdout


def test_shellcheck_finds_what_is_wrong() -> None:
    assert "SC2086" in checked("rm -r $1\n")


@pytest.mark.parametrize("path", PROGRAMS, ids=str)
def test_a_program_passes(path: Path) -> None:
    assert checked(path.read_text()) == ""


def test_every_program_of_every_golden_tree_passes() -> None:
    assert len(GOLDEN) > 30
    found = {}
    for path in GOLDEN:
        _, _, text = path.read_text().partition(f"\n{'-' * 40}\n")
        assert text, f"{path} has no head"
        found[str(path)] = checked(text, f"--exclude={RENDERED}")
    assert {path: said for path, said in found.items() if said} == {}


def strings(tree: ast.AST) -> Iterator[ast.expr]:
    """Every string of a module but its docstrings."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if id(node) not in docs | parts and isinstance(node, ast.JoinedStr | ast.Constant):
            yield node


def text_of(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)  # type: ignore[attr-defined]


def test_no_program_of_more_than_two_lines_is_in_a_string() -> None:
    places = sorted(p for top in ("roles", "livekit_metal", "procedures") for p in Path(top).rglob("*.py"))
    assert len(places) > 150
    found = [
        f"{path}:{node.lineno}"
        for path in places
        for node in strings(ast.parse(path.read_text()))
        if (text := text_of(node)).strip("\n").count("\n") > 1 and SHELL.search(text) and not PERL.search(text)
    ]
    assert found == []


def test_every_program_is_run_by_somebody() -> None:
    """Its name stands in a module beside its folder."""
    for path in PROGRAMS:
        if path.parent.name == "scripts":
            modules = "".join(p.read_text() for p in path.parent.parent.glob("*.py"))
            assert f'"{path.stem}"' in modules, path


def test_values_reach_a_program_as_they_are(tmp_path: Path) -> None:
    hostile = ["it's", '"$(id)"', "a\nb", "", "`id` \\ %s", "-x", "*"]
    text = shell.given('printf "%s\\0" "$@"', *hostile)
    said = subprocess.run(["sh", "-s"], input=text, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert said.split("\0")[:-1] == hostile


def test_comments_at_the_beginning_stay_here(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/one.sh").write_text("# why\n# shellcheck disable=SC2154\necho a  # here\n# there\necho b\n")
    (tmp_path / "scripts/two.sh").write_text("echo c\n")
    module = str(tmp_path / "module.py")
    assert shell.program(module, "one", "two") == "echo a  # here\n# there\necho b\necho c\n"


def test_who_counts_processes_and_who_looks_at_them_mean_the_same() -> None:
    assert old_code.OURS in old_code.SCRIPT
