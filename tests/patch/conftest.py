"""The hosts' own upgrades, on a lab of their own (`python -m tests.run patch`): three hosts, deployed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from testinfra.host import Host

from livekit_metal.call.access import Access
from tests.patch.archive import Archive
from tests.support.calls.control import untouched_server
from tests.support.calls.sdkexit import pytest_sessionfinish, pytest_unconfigure  # noqa: F401 - hooks
from tests.support.hosts.lab import INVENTORY, Lab, lab, over_ssh


def pytest_report_header() -> str:
    return f"lab: {lab().directory} ({', '.join(lab().site.hosts)}), site: {INVENTORY}"


@pytest.fixture(scope="session", name="lab")
def the_lab() -> Lab:
    return lab()


@pytest.fixture(scope="session")
def hosts() -> Mapping[str, Host]:
    """Every host over OpenSSH, in the order of a deploy."""
    return {name: over_ssh(name) for name in lab().site.hosts}


@pytest.fixture(scope="session")
def access() -> Access:
    return Access.load(lab().directory / "access.json")


@pytest.fixture(scope="session")
def control(lab: Lab) -> Iterator[Access]:
    """A server that no test touches: what befalls its calls, the machine did."""
    with untouched_server(lab) as found:
        yield found


@pytest.fixture(scope="session")
def archives(hosts: Mapping[str, Host]) -> Iterator[Mapping[str, Archive]]:
    """An archive of security's on each host, and no other: Debian's may have updates of its own today."""
    found = {name: Archive(host) for name, host in hosts.items()}
    for each in found.values():
        each.set_up()
    yield found
    for each in found.values():
        each.take_away()
