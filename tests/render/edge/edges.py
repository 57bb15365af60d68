"""Edges on loopback, as many as a test wants, before one slot."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.render.edge.edge_rig import Edge
from tests.render.edge.fake_slot import FakeSlot


@contextlib.contextmanager
def edges(program: str, directory: Path, slot: FakeSlot) -> Iterator[Callable[..., Edge]]:
    """``make(**settings)``: an edge whose active slot is ``slot``. All of them end with the block."""
    made: list[Edge] = []

    def make(**settings: object) -> Edge:
        edge = Edge(program, directory / f"edge{len(made)}", {slot.name: slot}, 0, **settings)
        made.append(edge)
        edge.flip(slot.name)
        return edge

    yield make
    for edge in made:
        edge.stop()
