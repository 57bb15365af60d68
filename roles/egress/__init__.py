"""egress in slots: recordings of tracks, participants and rooms. A change starts beside the running one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roles.egress.settings import Settings
from stack.lazy import lazily

if TYPE_CHECKING:
    from roles.egress.tasks import activate, component, deliver, delivered, prepare

__all__ = ["Settings", "activate", "component", "deliver", "delivered", "prepare"]
__getattr__ = lazily(__name__, tasks=("activate", "component", "deliver", "delivered", "prepare"))
