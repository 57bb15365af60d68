"""livekit-server in slots: a change starts beside the running one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roles.livekit.settings import Settings
from stack.lazy import lazily

if TYPE_CHECKING:
    from roles.livekit.tasks import activate, prepare, proves

__all__ = ["Settings", "activate", "prepare", "proves"]
__getattr__ = lazily(__name__, "tasks", "activate", "prepare", "proves")
