"""An edge with other services behind it, and the slot that serves calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livekit_metal.runtime.slots import active_slot
from tests.render.edge.edge_rig import Edge, free_ports
from tests.render.edge.edges import edges
from tests.render.edge.fake_slot import FakeSlot
from tests.render.edge.run_here import run_here

MakeEdge = Callable[..., Edge]


@pytest.fixture
def make_edge(
    tmp_path: Path, program: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeEdge]:
    monkeypatch.setattr(active_slot, "run", run_here)
    slot = FakeSlot("a", free_ports(1)[0])
    slot.start()
    with edges(program("haproxy", "haproxy"), tmp_path, slot) as make:
        yield make
    slot.stop()
