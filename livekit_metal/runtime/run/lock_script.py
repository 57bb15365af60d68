"""The locks of a host: which files they are, and the programs that take them there, as root (scripts/locks.sh)."""

from __future__ import annotations

from livekit_metal.core import shell

LOCK = "/run/livekit-metal.lock"  # held by a run; beside it .holder (who says so), .pid, .login (who it really is)
WORK_LOCK = "/run/livekit-metal.work"  # held, shared, by each command that changes the host
SITE_LOCK = "/run/livekit-metal.site"  # on one host of the site, by a run that takes others out of service
GUARD = "/run/livekit-metal.guard"  # held for a moment by whoever takes a lock

HOLD, HOLD_SITE, HOLDERS = (
    shell.program(__file__, "is-held", "locks", name) for name in ("hold", "hold-site", "holders")
)
HOLDER, END_HOLDER = (shell.program(__file__, "is-held", name) for name in ("holder", "end-holder"))
CHANGE = shell.program(__file__, "change")
BUSY = f"lock: {WORK_LOCK} is not free"  # as CHANGE says it
