"""Ten hosts that change in waves (`python -m tests.run waves`): lk1 is the canary and the first edge, lk5 has Redis."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from testinfra.host import Host

from lab import state
from tests.support.calls.sdkexit import pytest_sessionfinish, pytest_unconfigure  # noqa: F401 - hooks
from tests.support.hosts.deploys import Deploy, unchanging, variant
from tests.support.hosts.lab import INVENTORY, Lab, over_ssh
from tests.support.lab_fixtures import the_access, the_control, the_lab  # noqa: F401 - fixtures

CANARY, REDIS = "lk1", "lk5"
WAVES = [{CANARY}, {"lk2", "lk3", "lk4"}, {REDIS}, {"lk6", "lk7", "lk8"}, {"lk9", "lk10"}]
SAID = "lk1; lk2, lk3, lk4; lk5; lk6, lk7, lk8; lk9, lk10"
WITHIN = 900  # s for a deploy of ten hosts


def pytest_report_header() -> str:
    return f"lab: {', '.join(state.facts()['hosts'])}, site: {INVENTORY}"


@pytest.fixture(scope="session")
def hosts(lab: Lab) -> Mapping[str, Host]:
    """Every host over OpenSSH, in the order of a deploy."""
    assert len(lab.site.hosts) == sum(map(len, WAVES)), "this is about ten hosts"
    return {name: over_ssh(name) for name in lab.site.hosts}


@pytest.fixture(scope="session")
def change(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Path]]:
    """Makes inventory files that need a new slot on every host; the site's own in the end."""
    new = itertools.count(int(time.time()) % 10_000 + 400)  # never those of a run before, which may have been cut short
    at = tmp_path_factory.mktemp("sites")

    def make() -> Path:
        seconds = next(new)
        return variant(at, {"livekit": {"room": {"empty_timeout": seconds}}}, f"changed{seconds}")

    yield make
    told = Deploy(INVENTORY).end(within=WITHIN)
    assert told.status == 0, told.text
    unchanging()
