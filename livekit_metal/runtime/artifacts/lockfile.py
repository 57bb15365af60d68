"""The lock file of a site: which bytes came out of a release, and for a module from which toolchain.

It is JSON, sorted, meant for version control: every controller of a site then installs the very same program,
and a build that differs is refused. Archives and images are pinned where they are named; their entries say which
program that was, so that no other one is taken from the store. Files need none.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.runtime.artifacts.store import Made, Store, write


def recorded(lock: Path, key: str) -> Made | None:
    """The entry of ``key``; None when there is none yet. Raises SiteError when the file makes no sense."""
    entry = _read(lock).get(key)
    return None if entry is None else _made(lock, key, entry)


def sums(lock: Path, component: str, version: str) -> frozenset[str]:
    """SHA-256 of every recorded build of a release, of whatever architecture. Raises SiteError as above."""
    start = f"{component} {version} "
    return frozenset(_made(lock, key, entry).sha256 for key, entry in _read(lock).items() if key.startswith(start))


def record(lock: Path, key: str, made: Made, store: Store) -> None:
    """Add the entry of a first build; the others stay as they are."""
    with store.exclusive(f"lock file {lock.resolve()}", busy=lambda: None):
        entries = _read(lock)
        entries[key] = {"go": made.toolchain, "sha256": made.sha256, "size": made.size}
        entries[key] |= {"packages": made.packages} if made.packages else {}
        try:
            write(lock, json.dumps(entries, indent=2, sort_keys=True) + "\n")
        except OSError as error:
            fact, remedy = f"cannot be written: {error.strerror}", "deploy once where it can be, and commit it"
            raise SiteError([Problem(str(lock), fact, remedy)]) from error


def _read(lock: Path) -> dict[str, Any]:
    try:
        entries = json.loads(lock.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise _damaged(lock, f"is not JSON ({error})") from None
    if not isinstance(entries, dict):
        raise _damaged(lock, "is not a mapping of builds")
    return entries


def _made(lock: Path, key: str, entry: object) -> Made:
    match entry:
        case {"go": str(go), "sha256": str(sha256), "size": int(size)} if re.fullmatch("[0-9a-f]{64}", sha256):
            packages = entry.get("packages", "") if isinstance(entry, dict) else ""
            return Made(sha256, size, go, str(packages))
    raise _damaged(lock, f"has an entry without go, sha256 and size: {key}")


def _damaged(lock: Path, fact: str) -> SiteError:
    return SiteError([Problem(str(lock), fact, "restore it from version control (`git checkout HEAD -- FILE`)")])
