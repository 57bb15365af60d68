"""A host out of service on purpose: the marker that says so, who set it, and what it keeps deploys from."""

from __future__ import annotations

import json
import time
from shlex import quote

from pyinfra.api.host import Host

from livekit_metal.core import records
from livekit_metal.runtime.host.commands import run
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run import lock

_PROBE = "maintenance"


def needs(path: str) -> StateQuery:
    """The question whether a host is in maintenance."""
    return StateQuery(queries=((_PROBE, f"cat {quote(path)}"),))


def words(seen: HostState, but: str = "") -> str:
    """Since when, by whom and why the host is in maintenance; '' when it is not, or for the reason ``but``."""
    text = "".join(seen.answers.get(_PROBE, []))
    if not text:
        return ""
    said = records.read(text)
    if but and said.get("why") == but:
        return ""
    by = ": ".join(filter(None, (said.get("who"), said.get("why"))))
    return f"in maintenance since {said.get('since', 'an unknown time')} ({by or 'its marker says no more'})"


def begin(host: Host, path: str, why: str) -> None:
    """Write the marker, unless there is one."""
    said = {"who": "@".join(lock.operator()), "since": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()), "why": why}
    text = 'set -C; [ -e "$1" ] || { mkdir -p "${1%/*}"; cat >"$1.lkm-new"; mv -T "$1.lkm-new" "$1"; }'
    run(host, text, path, stdin=json.dumps(said) + "\n")


def end(host: Host, path: str) -> None:
    """Remove the marker."""
    run(host, 'rm -f "$1"', path)
