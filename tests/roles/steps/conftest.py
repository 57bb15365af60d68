"""A host on this machine, for what actions do there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.render.edge.edge_rig import Edge, FakeSlot, free_ports
from tests.support.hosts.local_host import LocalHost, local_host
from tests.support.hosts.stand_ins import Units


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalHost:
    return local_host(tmp_path, monkeypatch)


@pytest.fixture
def units(local: LocalHost) -> Units:
    return Units(local.notes)


@pytest.fixture
def slots() -> Iterator[dict[str, FakeSlot]]:
    """Slots a, b and c; a and b answer."""
    made = {name: FakeSlot(name, port) for name, port in zip("abc", free_ports(3), strict=True)}
    for name in "ab":
        made[name].start()
    yield made
    for slot in made.values():
        slot.stop()


@pytest.fixture
def edge(tmp_path: Path, slots: dict[str, FakeSlot], local: LocalHost) -> Iterator[Edge]:
    """HAProxy itself, whose active slot is a."""
    if (haproxy := shutil.which("haproxy", path=local.environment["PATH"])) is None:
        pytest.fail("haproxy is not here: run `make tools`, or apt install haproxy")
    made = Edge(haproxy, tmp_path / "edge", slots, 0)
    made.flip("a")
    yield made
    made.stop()
