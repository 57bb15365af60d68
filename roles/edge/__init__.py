"""HAProxy on each host with a slot: it owns the stable ports and points at the active slot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roles.edge.settings import Settings
from stack.lazy import lazily

if TYPE_CHECKING:
    from roles.edge.tasks import activate

__all__ = ["Settings", "activate"]
__getattr__ = lazily(__name__, tasks=("activate",))
