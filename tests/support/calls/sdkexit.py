"""For the conftest.py of tests that make calls: pytest ends before the SDK's exit handler has its turn."""

from __future__ import annotations

import os
import sys

import pytest

_status: list[int] = []


def pytest_sessionfinish(exitstatus: int) -> None:
    _status[:] = [int(exitstatus)]


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """End here: the SDK's exit handler may abort the process after a failed connection (livekit 1.2.0)."""
    if _status:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_status[0])
