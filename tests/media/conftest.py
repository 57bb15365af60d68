"""The media daemons on a lab deployed from inventories/lab_media.py: real ones, or stand-ins."""

from __future__ import annotations

import subprocess

from tests.support.calls.sdkexit import pytest_sessionfinish, pytest_unconfigure  # noqa: F401 - hooks
from tests.support.hosts.lab import INVENTORY, lab
from tests.support.lab_fixtures import the_access, the_lab  # noqa: F401 - fixtures


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
