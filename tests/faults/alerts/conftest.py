"""What tests of alerts share, and the table that they end with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest
from testinfra.host import Host

from livekit_metal.call.access import Access
from livekit_metal.roles.alertmanager.settings import Settings
from livekit_metal.site.model import Site
from tests.faults.alerts.people import People, listening, states
from tests.faults.alerts.provoked import Ground
from tests.faults.alerts.seen import TABLE
from tests.support.hosts.lab import Lab

States = Callable[[], Mapping[str, str]]


@pytest.fixture(scope="session")
def people(lab: Lab) -> Iterator[People]:
    with listening(lab.facts["gateway"]) as found:
        yield found


@pytest.fixture
def now(first: Host, site: Site, people: People) -> States:
    own = site.for_host(next(iter(site.hosts))).of(Settings)
    assert own is not None, "deploy inventories/lab_alerts.py"
    return lambda: states(first, own.listen)


@pytest.fixture
def ground(first: Host, site: Site, access: Access, people: People) -> Ground:
    return Ground(first, next(iter(site.hosts)), site, access, people)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What fired, how it was provoked, how long it took; and what was not, with the reason."""
    terminalreporter.write_sep("=", "alerts")
    for line in TABLE.lines():
        terminalreporter.write_line(line)
