"""Plain data as Python, laid out as ``ruff format`` and ``black`` would: who runs one of them on it changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

WIDTH = 88  # columns: what both take where nothing else is said
_STEP = 4


def literal(value: Any, *, indent: int = 0, before: int = 0, open_to: int = 0) -> str:
    """``value`` as it stands ``indent`` columns in, with ``before`` more columns in front of it and a comma behind.

    Mappings are written over several lines ``open_to`` levels deep, also where one would do.
    """
    if not isinstance(value, (Mapping, list, tuple)):
        return _text(value) if isinstance(value, str) else repr(value)
    flat = _flat(value)
    wanted = open_to > 0 and isinstance(value, Mapping)
    if not value or (indent + before + len(flat) < WIDTH and not wanted):
        return flat
    inner = indent + _STEP
    lines = []
    for name, part in _entries(value):
        nested = literal(part, indent=inner, before=len(name), open_to=open_to - 1)
        lines.append(f"{' ' * inner}{name}{nested},\n")
    opening, closing = "{}" if isinstance(value, Mapping) else "[]"
    return f"{opening}\n{''.join(lines)}{' ' * indent}{closing}"


def _flat(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if not isinstance(value, (Mapping, list, tuple)):
        return repr(value)
    opening, closing = "{}" if isinstance(value, Mapping) else "[]"
    return opening + ", ".join(f"{name}{_flat(part)}" for name, part in _entries(value)) + closing


def _entries(value: Mapping[str, Any] | Sequence[Any]) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [(f"{_text(str(name))}: ", part) for name, part in value.items()]
    return [("", part) for part in value]


def _text(value: str) -> str:
    """In double quotes, but where that would need more backslashes."""
    plain = repr(value)
    if plain[0] == '"' or '"' in value:
        return plain
    return '"' + plain[1:-1].replace("\\'", "'") + '"'
