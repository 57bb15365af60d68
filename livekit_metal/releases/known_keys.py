"""Which keys each release of upstream reads from its configuration, with their types: keys/*.toml as frozen data.

Contract: pure answers about releases. A version that nobody has read is taken for the nearest one before it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from livekit_metal.releases.compatibility import Span, numbers

__all__ = ["Table", "file", "first", "numbers", "table", "versions"]

_HERE = Path(__file__).parent / "keys"


@dataclass(frozen=True, slots=True)
class Table:
    """The keys of one release; [] stands for each of a list, * for each of a mapping."""

    component: str
    version: str  # that was asked for
    read: str  # whose structs these are
    keys: Mapping[str, str]  # key -> type, as keys.go names them

    @property
    def exact(self) -> bool:
        """Whether it is of the very version that was asked for."""
        return numbers(self.read) == numbers(self.version)


def file(component: str) -> Path:
    """Where the keys of a component are written."""
    return _HERE / f"{component}.toml"


def versions(component: str) -> tuple[str, ...]:
    """The versions whose structs were read, the oldest first."""
    return tuple(_read(component).get("versions", ()))


@cache
def table(component: str, version: str) -> Table:
    """The keys of ``version``, or of the nearest before it that was read (of the oldest, when all are newer)."""
    known = versions(component)
    below = [each for each in known if not numbers(version) or numbers(each) <= numbers(version)]
    nearest = (below or list(known[:1]))[-1]
    keys = {key: kind for key, spans in _read(component)["keys"].items() if (kind := _type(spans, nearest))}
    return Table(component, version, nearest, keys)


def first(component: str, key: str) -> str:
    """The oldest version read that has ``key``; '' for none."""
    return next((each for each in versions(component) if key in table(component, each).keys), "")


def _type(spans: Any, version: str) -> str:
    if isinstance(spans, str):
        return spans
    fits = (s["type"] for s in spans if version in Span(since=s.get("since", ""), before=s.get("before", "")))
    return next(fits, "")


@cache
def _read(component: str) -> Mapping[str, Any]:
    return tomllib.loads(file(component).read_text()) if file(component).exists() else {}
