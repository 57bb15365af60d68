"""The hosts' own upgrades, on a lab of their own (`python -m tests.run patch`): three hosts, deployed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from testinfra.host import Host

from tests.patch.archive import Archive
from tests.support.calls.sdkexit import pytest_sessionfinish, pytest_unconfigure  # noqa: F401 - hooks
from tests.support.hosts.lab import INVENTORY, lab
from tests.support.lab_fixtures import the_access, the_control, the_hosts, the_lab  # noqa: F401 - fixtures


def pytest_report_header() -> str:
    return f"lab: {lab().directory} ({', '.join(lab().site.hosts)}), site: {INVENTORY}"


@pytest.fixture(scope="session")
def archives(hosts: Mapping[str, Host]) -> Iterator[Mapping[str, Archive]]:
    """An archive of security's on each host, and no other: Debian's may have updates of its own today."""
    found = {name: Archive(host) for name, host in hosts.items()}
    for each in found.values():
        each.set_up()
    yield found
    for each in found.values():
        each.take_away()
