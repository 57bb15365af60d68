"""What every host needs: packages in one transaction, users, no surprise restarts by apt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roles.base.settings import Settings
from stack.lazy import lazily

if TYPE_CHECKING:
    from roles.base.tasks import prepare

__all__ = ["Settings", "prepare"]
__getattr__ = lazily(__name__, tasks=("prepare",))
