"""Real clients against the deployed lab."""

from __future__ import annotations

import pytest

from procedures.call import Access
from tests.lab import INVENTORY, Lab, lab


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
