"""livekit-server in slots: a change starts beside the running one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roles.livekit.settings import Settings
from stack.lazy import lazily

if TYPE_CHECKING:
    from roles.livekit.retire import drain
    from roles.livekit.rollback import prepare_rollback, questions, roll_back, target
    from roles.livekit.tasks import activate, prepare, proves

_TASKS, _ROLLBACK = ("activate", "prepare", "proves"), ("prepare_rollback", "questions", "roll_back", "target")
__all__ = [
    "Settings",
    "activate",
    "drain",
    "prepare",
    "prepare_rollback",
    "proves",
    "questions",
    "roll_back",
    "target",
]
__getattr__ = lazily(__name__, tasks=_TASKS, rollback=_ROLLBACK, retire=("drain",))
