"""Kamailio in front of livekit-sip: it owns the SIP ports and points at the active slot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roles.kamailio.settings import Settings
from stack.lazy import lazily

if TYPE_CHECKING:
    from roles.kamailio.tasks import activate

__all__ = ["Settings", "activate"]
__getattr__ = lazily(__name__, tasks=("activate",))
