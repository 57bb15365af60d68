"""Names of a package that are imported on first use.

``roles.x.Settings`` is read by ``stack`` and must not pull in pyinfra; ``roles.x.prepare`` needs it (PEP 562).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def lazily(package: str, **names: tuple[str, ...]) -> Callable[[str], Any]:
    """A module ``__getattr__`` that finds the given names in modules of ``package``: ``tasks=("prepare",)``."""
    homes = {name: module for module, those in names.items() for name in those}

    def find(name: str) -> Any:
        if name in homes:
            return getattr(import_module(f"{package}.{homes[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find
