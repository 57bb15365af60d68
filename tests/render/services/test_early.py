"""Units that start before the root of a host is writable; `make vm` has the boot itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.hosts.lab import ROOT

EARLY = [
    file for file in sorted((ROOT / "templates").rglob("*.service.j2")) if "DefaultDependencies=no" in file.read_text()
]
# systemd 252 makes directories in /tmp for these, and the unit fails (226/NAMESPACE) while that is read-only.
IN_TMP = {"PrivateDevices=yes", "PrivateTmp=yes"}


@pytest.mark.parametrize("unit", EARLY, ids=lambda file: file.name)
def test_nothing_in_tmp_is_asked_for_before_the_root_is_writable(unit: Path) -> None:
    assert not IN_TMP & set(unit.read_text().splitlines())


def test_the_firewall_is_among_them() -> None:
    assert "livekit-firewall.service.j2" in [file.name for file in EARLY]
