"""Every query of every rule and panel returns data while people use all of what a site is for.

Panels are asked as Grafana asks them, rules without their thresholds: what a rule compares must be there, and meet.
Each series that either names is asked for by itself too. What returns nothing stands in ``EXCEPTIONS``, with the
reason; what stands there and does return data fails. Where egress or livekit-sip is a stand-in, queries of it are
skipped: nothing is proved of them then.
"""

from __future__ import annotations

import pytest

from tests.watch.answers import Answers
from tests.watch.conftest import STAND_INS, proved
from tests.watch.queries import EXCEPTIONS, Query, queries, without_thresholds

QUERIES = list(queries())


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_it_returns_data(query: Query, answers: Answers) -> None:
    if not proved(query):
        pytest.skip(f"not proved: {' and '.join(STAND_INS)} stand-ins; ARTIFACTS names the real ones")
    silent = answers.silent(query)
    assert set(silent) <= {*EXCEPTIONS}, f"{query.expr}\nreturns nothing, for want of {', '.join(silent)}"


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_an_exception_is_one(name: str, answers: Answers) -> None:
    of = [query for query in QUERIES if name == query.where or name in query.selectors.values()]
    assert of, "no query asks for it any more: take it out of the exceptions"
    assert any(name in answers.silent(query) for query in of), "it returns data: take it out of the exceptions"


@pytest.mark.parametrize(
    ("rule", "asked"),
    [
        ("redis_up == 0", "redis_up == bool 0"),
        ('up{host!=""} == 0', 'up{host!=""} == bool 0'),
        ("a / (b > 0) >= 3 and c > 1", "a / (b > bool 0) >= bool 3 and c > bool 1"),
        ('a{x=~"b"} unless on (host) c{y!~"<="} != 1', 'a{x=~"b"} and on (host) c{y!~"<="} != bool 1'),
        ("sum(up == bool 0)", "sum(up == bool 0)"),
    ],
)
def test_a_rule_without_its_thresholds(rule: str, asked: str) -> None:
    assert without_thresholds(rule) == asked
