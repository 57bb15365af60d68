"""Directories of tests that other accounts have to reach."""

from __future__ import annotations

from pathlib import Path


def reachable(path: Path) -> None:
    """Let every account reach ``path``: pytest keeps the directories above to its own user, as many as there are."""
    for each in (path, *path.parents):
        if not each.stat().st_mode & 0o001:
            each.chmod(0o755)
