"""One own nftables table from the port registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roles.firewall.settings import Settings
from stack.lazy import lazily

if TYPE_CHECKING:
    from roles.firewall.tasks import activate, prepare

__all__ = ["Settings", "activate", "prepare"]
__getattr__ = lazily(__name__, tasks=("activate", "prepare"))
