"""Names of a package that are imported on first use.

``roles.x.Settings`` is read by ``stack`` and must not pull in pyinfra; ``roles.x.prepare`` needs it (PEP 562).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def lazily(package: str, module: str, *names: str) -> Callable[[str], Any]:
    """A module ``__getattr__`` that finds ``names`` in ``package.module``."""

    def find(name: str) -> Any:
        if name in names:
            return getattr(import_module(f"{package}.{module}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find
