"""The table of tests/README.md that says which test has which row: each test is there, and no row is without one."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[2]
SECTION = (
    (TESTS / "README.md").read_text().partition("## What people have, and which test has it")[2].partition("\n## ")[0]
)
ROWS = {"H1", "H2", "H3", "H4", "E1", "E2", "E3", "N1", "N2", "N3", "N4", "N5", "M1", "M2"}


def test_every_test_is_there() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", SECTION)
    assert len(named) > 20
    for file, test in named:
        assert f"def {test}(" in (TESTS / file).read_text(), f"{file} has no {test}"


def test_every_row_has_one() -> None:
    lines = [line for line in SECTION.splitlines() if line.startswith("| ") and "`" in line]
    assert {line.split("|")[1].strip() for line in lines} >= ROWS
    assert all("::test_" in line for line in lines)
