"""What must hold before anything is changed: all findings of all hosts together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roles.preflight.settings import Settings
from stack.lazy import lazily

if TYPE_CHECKING:
    from roles.preflight.tasks import prepare

__all__ = ["Settings", "prepare"]
__getattr__ = lazily(__name__, tasks=("prepare",))
