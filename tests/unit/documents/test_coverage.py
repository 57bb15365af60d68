"""The table of what is proved on which system is true: its tests are there, and its systems are preflight's."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.coverage import LAYERS, RELEASES, WITHOUT_A_HOST, coverage_md, covered, proved
from livekit_metal.roles.preflight.checks import PROVED, RENDERED
from tests.rows import ROWS, Row, Step

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("named", [*LAYERS.values(), *WITHOUT_A_HOST.values()])
def test_what_is_named_is_there(named: str) -> None:
    file, _, test = named.partition("::")
    assert (ROOT / file).exists()
    assert not test or f"def {test}(" in (ROOT / file).read_text()


@pytest.mark.parametrize("system", sorted(PROVED))
def test_what_preflight_calls_proved_is_deployed_and_carries_calls(system: tuple[str, str]) -> None:
    assert proved("tests/host", system)
    assert proved("tests/online", system)


def test_what_preflight_calls_rendered_no_row_deploys() -> None:
    assert not {RELEASES[row.release] for row in ROWS} & RENDERED


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_is_in_the_table(row: Row) -> None:
    assert covered(row)
    assert f" {row.name}" in coverage_md()


def test_a_row_that_leaves_tests_out_proves_nothing_by_them() -> None:
    row = Row("some", hosts=1, steps=(Step("tests/host --ignore=tests/host/test_kernel.py -k 'not lk2'"),))
    assert covered(row) == {"tests/host"}
    assert covered(Row("all", hosts=1, steps=(Step("tests/host"),))) == {"tests/host", "tests/host/test_kernel.py"}
    assert covered(Row("part", hosts=1, steps=(Step("tests/online/test_call.py"),))) == {"tests/online"}
