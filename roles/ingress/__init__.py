"""ingress in slots: streams come in by RTMP and WHIP, and stay with their slot when another takes the new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roles.ingress.settings import Settings
from stack.lazy import lazily

if TYPE_CHECKING:
    from roles.ingress.tasks import activate, component, prepare

__all__ = ["Settings", "activate", "component", "prepare"]
__getattr__ = lazily(__name__, tasks=("activate", "component", "prepare"))
