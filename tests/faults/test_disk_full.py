"""A host whose disk is full when the program comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest
from testinfra.host import Host

from tests.deploys import deploy, unchanging
from tests.faults.conftest import Change

SMALL = "/mnt/small"  # outside the places where nothing may change


@pytest.fixture
def small(hosts: Mapping[str, Host]) -> Iterator[str]:
    """A directory with 8 MB on every host, for programs."""
    for host in hosts.values():
        host.check_output(f"mkdir -p {SMALL}; mount -t tmpfs -o size=8m tmpfs {SMALL}")
    yield f"{SMALL}/releases"
    for host in hosts.values():
        host.check_output(f"umount {SMALL}; rmdir {SMALL}")


def _there(place: str, **preflight: Any) -> Mapping[str, Any]:
    return {"paths": {"releases": place}, "preflight": preflight}


def test_too_little_space_is_found_before(change: Change, small: str, untouched: AbstractContextManager[None]) -> None:
    with untouched:
        deploy(change(_there(small))).refused(f"disk: {SMALL} has ", "MB left", "preflight.min_disk_mb")


def test_a_disk_that_fills_up_while_pushing_leaves_nothing_half_made(
    change: Change, small: str, hosts: Mapping[str, Host], untouched: AbstractContextManager[None]
) -> None:
    with untouched:
        deploy(change(_there(small, min_disk_mb=1))).refused("livekit: push", small, "No space left on device")
    for host in hosts.values():
        assert host.check_output(f"find {small} -type f -o -name '*.lkm-*'") == ""
    unchanging()
