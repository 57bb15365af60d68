"""The media daemons on a lab deployed from inventories/lab_media.py: real ones, or stand-ins."""

from __future__ import annotations

import subprocess

import pytest

from livekit_metal.call.access import Access
from tests.support.calls.sdkexit import pytest_sessionfinish, pytest_unconfigure  # noqa: F401 - hooks
from tests.support.hosts.lab import INVENTORY, Lab, lab


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


@pytest.fixture(scope="session", name="lab")
def the_lab() -> Lab:
    return lab()


@pytest.fixture(scope="session")
def access() -> Access:
    return Access.load(lab().directory / "access.json")
