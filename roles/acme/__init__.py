"""Certificates by ACME: each host gets one of its own, with lego, and again in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roles.acme.settings import Settings
from stack.lazy import lazily

if TYPE_CHECKING:
    from roles.acme.tasks import activate, obtain, prepare, renew, retire

__all__ = ["Settings", "activate", "obtain", "prepare", "renew", "retire"]
__getattr__ = lazily(__name__, tasks=("activate", "obtain", "prepare", "renew", "retire"))
