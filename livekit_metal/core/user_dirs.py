"""Where livekit-metal keeps files of whoever runs it (XDG base directory specification: a relative path is ignored)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def cache() -> Path:
    """What may be removed at any time: $XDG_CACHE_HOME/livekit-metal."""
    return _below("XDG_CACHE_HOME", ".cache", os.environ)


def config(environ: Mapping[str, str] = os.environ) -> Path:
    """What may not: $XDG_CONFIG_HOME/livekit-metal."""
    return _below("XDG_CONFIG_HOME", ".config", environ)


def _below(variable: str, otherwise: str, environ: Mapping[str, str]) -> Path:
    base = Path(environ.get(variable, ""))
    return (base if base.is_absolute() else Path.home() / otherwise) / "livekit-metal"
