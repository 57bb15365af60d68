"""Kernel settings for UDP media: raised only, never lowered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roles.kernel.settings import Settings
from stack.lazy import lazily

if TYPE_CHECKING:
    from roles.kernel.tasks import activate

__all__ = ["Settings", "activate"]
__getattr__ = lazily(__name__, tasks=("activate",))
