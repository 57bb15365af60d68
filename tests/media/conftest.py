"""The media daemons on a lab deployed from inventories/lab_media.py: real ones, or stand-ins."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from procedures.call import Access
from tests.lab import INVENTORY, Lab, lab


def pytest_report_header() -> list[str]:
    """Which is which: what a stand-in has passed says nothing about media."""
    found = lab()
    lines = [f"lab: {found.directory}, site: {INVENTORY}"]
    for name in ("egress", "ingress", "sip"):
        settings = getattr(found.site, name, None)
        program = getattr(settings, "file", "")
        if program and found.site.with_role(name):
            said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.strip()
            lines.append(f"{name}: {'a stand-in' if 'standin' in said else 'REAL'} ({said})")
        elif settings and found.site.with_role(name):
            lines.append(f"{name}: REAL ({settings.release}, source {settings.source})")
    return lines


_status: list[int] = []


def pytest_sessionfinish(exitstatus: int) -> None:
    _status.append(int(exitstatus))


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """End here: the SDK's exit handler may abort the process after a failed connection (livekit 1.2.0)."""
    if _status:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_status[0])


@pytest.fixture(scope="session", name="lab")
def the_lab() -> Lab:
    return lab()


@pytest.fixture(scope="session")
def access() -> Access:
    return Access.load(lab().directory / "access.json")
