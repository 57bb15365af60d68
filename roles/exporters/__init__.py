"""Prometheus exporters: the host's on every host, Redis' beside Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roles.exporters.settings import Settings
from stack.lazy import lazily

if TYPE_CHECKING:
    from roles.exporters.tasks import activate

__all__ = ["Settings", "activate"]
__getattr__ = lazily(__name__, tasks=("activate",))
