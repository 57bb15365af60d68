"""Real clients against the deployed lab."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from livekit_metal.call.access import Access
from tests.support.calls.control import untouched_server
from tests.support.calls.sdkexit import pytest_sessionfinish, pytest_unconfigure  # noqa: F401 - hooks
from tests.support.hosts.deploys import deploy, unchanging
from tests.support.hosts.lab import INVENTORY, Lab, lab


def pytest_report_header() -> str:
    found = lab()
    return (
        f"lab: {found.directory} ({', '.join(found.site.hosts)}), site: {INVENTORY}, release: {found.facts['release']}"
    )


@pytest.fixture(scope="session", name="lab")
def the_lab() -> Lab:
    return lab()


@pytest.fixture(scope="session")
def access() -> Access:
    return Access.load(lab().directory / "access.json")


@pytest.fixture(scope="session")
def control(lab: Lab) -> Iterator[Access]:
    """A server that no test touches: what befalls its calls, the machine did."""
    with untouched_server(lab) as found:
        yield found


@pytest.fixture(scope="session", autouse=True)
def _own_again() -> Iterator[None]:
    """A test may leave another configuration of the same slots behind: the site's own is deployed in the end."""
    yield
    told = deploy()
    assert told.status == 0, told.text
    unchanging()
