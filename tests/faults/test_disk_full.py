"""A host whose disk is full when a change comes: nothing is half made, and whoever talks does not notice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest
from testinfra.host import Host

from livekit_metal.site.model import Site
from tests.faults.conftest import Change
from tests.support.calls import witness
from tests.support.calls.background_call import Talk
from tests.support.calls.slots import draining, serving
from tests.support.hosts.deploys import deploy, unchanging

SMALL = "/mnt/small"  # outside the places where nothing may change
# $1 a directory: the same content on a disk of its own that is full, as preflight cannot see it (it looks at the
# directories of the site). Not one block is left, a small file included.
_FILL = """set -eu; mkdir -p "$2"; mount -t tmpfs -o size=2m tmpfs "$2"; cp -a "$1/." "$2"
! dd if=/dev/zero of="$2/fill" bs=4k 2>/dev/null; mount --bind "$2" "$1"; umount "$2"; rmdir "$2\""""


@pytest.fixture
def small(hosts: Mapping[str, Host]) -> Iterator[str]:
    """A directory with 8 MB on every host, for programs."""
    for host in hosts.values():
        host.check_output(f"mkdir -p {SMALL}; mount -t tmpfs -o size=8m tmpfs {SMALL}")
    yield f"{SMALL}/releases"
    for host in hosts.values():
        host.check_output(f"umount {SMALL}; rmdir {SMALL}")


@pytest.fixture
def full(first: Host, site: Site) -> Iterator[str]:
    """The directory of the first host's generations, on a full disk."""
    place = f"{site.paths.config}/livekit"
    first.check_output("sh -c %s sh %s %s", _FILL, place, "/mnt/full")
    yield place
    first.check_output(f"umount {place}")


def _there(place: str, **preflight: Any) -> Mapping[str, Any]:
    return {"paths": {"releases": place}, "preflight": preflight}


def test_too_little_space_is_found_before(change: Change, small: str, untouched: AbstractContextManager[None]) -> None:
    with untouched:
        deploy(change(_there(small))).refused(f"disk: {SMALL} has ", "MB left", "preflight.min_disk_mb")


def test_a_disk_that_fills_up_while_pushing_leaves_nothing_half_made(
    change: Change, small: str, hosts: Mapping[str, Host], untouched: AbstractContextManager[None], talk: Talk
) -> None:
    with untouched:
        deploy(change(_there(small, min_disk_mb=1))).refused("livekit: push", small, "No space left on device")
    for host in hosts.values():
        assert host.check_output(f"find {small} -type f -o -name '*.lkm-*'") == ""
    talk.unnoticed()
    unchanging()


def test_a_disk_that_is_full_when_a_generation_is_staged(
    change: Change, full: str, first: Host, site: Site, talk: Talk
) -> None:
    """The directory is on another disk now, so not all of the witness can be asked."""
    name, files, state = next(iter(site.hosts)), f"find {full} -type f | sort", witness.state(first)
    old, before = serving(site, name), first.check_output(files)
    told = deploy(change({"livekit": {"room": {"empty_timeout": 901}}}))
    assert told.status > 0
    assert "Traceback" not in told.text, told.text
    assert "livekit: write" in told.text, told.text
    assert "No space left on device" in told.text, told.text
    assert first.check_output(files) == before, "no file of it is left"
    assert witness.state(first) == state
    assert (serving(site, name), draining(name)) == (old, [])
    talk.unnoticed()
    unchanging()
