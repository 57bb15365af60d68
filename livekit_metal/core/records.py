"""What livekit-metal writes on a host about itself: who did what, and what the next run has to respect.

Each marker is one JSON object; the audit log is one such object per line, and is only ever added to.
"""

from __future__ import annotations

import json
from typing import Any

AUDIT_DIRECTORY = "/var/log/livekit-metal"
AUDIT = f"{AUDIT_DIRECTORY}/audit.log"


def maintenance(config_root: str) -> str:
    """The file that says who took a host out of service, since when and why."""
    return f"{config_root}/maintenance"


def read(text: str) -> dict[str, Any]:
    """A record back. One that cannot be read gives {"unreadable": its text}: that it is there still counts."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"unreadable": text.strip()[:200]}
