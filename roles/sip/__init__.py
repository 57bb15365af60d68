"""livekit-sip in slots behind Kamailio, and the trunks and rules that a site declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roles.sip.settings import Settings
from stack.lazy import lazily

if TYPE_CHECKING:
    from roles.sip.tasks import activate, component, prepare
    from roles.sip.telephony import reconcile

__all__ = ["Settings", "activate", "component", "prepare", "reconcile"]
__getattr__ = lazily(__name__, tasks=("activate", "component", "prepare"), telephony=("reconcile",))
