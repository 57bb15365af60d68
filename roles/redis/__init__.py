"""Redis: the bus and the memory of a LiveKit cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roles.redis.settings import Settings
from stack.lazy import lazily

if TYPE_CHECKING:
    from roles.redis.tasks import activate, retire

__all__ = ["Settings", "activate", "retire"]
__getattr__ = lazily(__name__, tasks=("activate", "retire"))
