"""``extra`` of a component: rare upstream options, passed through (livekit_metal/releases/extra.py checks them)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merged(own: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """``own`` with ``extra`` in it, at every depth."""
    out = dict(own)
    for key, value in extra.items():
        both = isinstance(value, Mapping) and isinstance(out.get(key), Mapping)
        out[key] = merged(out[key], value) if both else value
    return out
