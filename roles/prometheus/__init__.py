"""The Prometheus server, with targets from the port registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roles.prometheus.settings import Settings
from stack.lazy import lazily

if TYPE_CHECKING:
    from roles.prometheus.tasks import activate

__all__ = ["Settings", "activate"]
__getattr__ = lazily(__name__, tasks=("activate",))
