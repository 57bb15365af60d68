"""Real clients against the deployed lab."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.calls.sdkexit import pytest_sessionfinish, pytest_unconfigure  # noqa: F401 - hooks
from tests.support.hosts.deploys import deploy, unchanging
from tests.support.hosts.lab import INVENTORY, lab
from tests.support.lab_fixtures import the_access, the_control, the_lab  # noqa: F401 - fixtures


def pytest_report_header() -> str:
    found = lab()
    return (
        f"lab: {found.directory} ({', '.join(found.site.hosts)}), site: {INVENTORY}, release: {found.facts['release']}"
    )


@pytest.fixture(scope="session", autouse=True)
def _own_again() -> Iterator[None]:
    """A test may leave another configuration of the same slots behind: the site's own is deployed in the end."""
    yield
    told = deploy()
    assert told.status == 0, told.text
    unchanging()
