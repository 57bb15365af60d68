"""Recordings by a browser on a lab deployed from inventories/lab_browser.py: the real egress, or a stand-in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.calls.sdkexit import pytest_sessionfinish, pytest_unconfigure  # noqa: F401 - hooks
from tests.support.hosts.lab import lab
from tests.support.lab_fixtures import the_access  # noqa: F401 - fixtures
from tests.support.shows.shows import Page


def pytest_report_header() -> str:
    """What a stand-in has passed says nothing about media."""
    from tests.support.calls.recorder import STAND_IN  # noqa: PLC0415 - there is a lab now

    return f"lab: {lab().directory}, egress: {'a stand-in' if STAND_IN else 'REAL'}"


@pytest.fixture(scope="session")
def page() -> Iterator[Page]:
    with Page(lab().facts["gateway"]) as one:
        yield one
