"""Each thing that people who host LiveKit have is a test: the table of decision 041 leads to tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TABLE = (ROOT / "docs/decisions/041-releases-that-cannot-be-had-here.md").read_text()
ROWS = re.findall(r"^\| ([CP]\d+) \| [^|]+ \| `([\w/.]+)::(\w+)` \|$", TABLE, re.MULTILINE)


def test_every_row_has_one() -> None:
    assert {row for row, _, _ in ROWS} == {f"C{n}" for n in range(1, 12)} | {f"P{n}" for n in range(1, 6)}
    assert len(ROWS) == len(re.findall(r"^\| [CP]\d+ \|", TABLE, re.MULTILINE)), "one cannot be read"


@pytest.mark.parametrize(("row", "file", "test"), ROWS)
def test_it_is_there(row: str, file: str, test: str) -> None:
    functions = {
        node.name for node in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(node, ast.FunctionDef)
    }
    assert test in functions, f"{row}: {file} has no {test}"
