"""livekit-server in slots: a change starts beside the running one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roles.livekit.settings import Settings
from stack.lazy import lazily

if TYPE_CHECKING:
    from roles.livekit.retire import drain
    from roles.livekit.tasks import activate, component, prepare, proves

__all__ = ["Settings", "activate", "component", "drain", "prepare", "proves"]
__getattr__ = lazily(__name__, tasks=("activate", "component", "prepare", "proves"), retire=("drain",))
