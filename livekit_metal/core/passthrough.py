"""``extra`` of a component: rare upstream options, passed through (livekit_metal/releases/extra.py checks them)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from livekit_metal.core.errors import Problem


def collisions(extra: Mapping[str, Any], own: Any, path: str) -> Iterator[Problem]:
    """Keys of ``extra``, which stands at ``path``, that are in ``own`` already: of programs without a table of keys."""
    for key, value in extra.items():
        if not isinstance(own, Mapping) or key not in own:
            continue
        if isinstance(value, Mapping) and isinstance(own[key], Mapping):
            yield from collisions(value, own[key], f"{path}.{key}")
        else:
            yield Problem(f"{path}.{key}", "is set by livekit-metal", "use the setting that owns it")


def merged(own: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """``own`` with ``extra`` in it, at every depth."""
    out = dict(own)
    for key, value in extra.items():
        both = isinstance(value, Mapping) and isinstance(out.get(key), Mapping)
        out[key] = merged(out[key], value) if both else value
    return out


def joined(found: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Derived settings of several roles as one mapping: tuples one after the other, of anything else the last."""
    whole: dict[str, Any] = {}
    for each in found:
        for name, value in each.items():
            whole[name] = (*whole.get(name, ()), *value) if isinstance(value, tuple) else value
    return whole
