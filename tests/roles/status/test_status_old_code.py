"""What status says of daemons that run a library from before an update."""

from __future__ import annotations

import json
from dataclasses import replace

from livekit_metal.runtime.host import old_code
from livekit_metal.runtime.host.state import HostState
from livekit_metal.status import render
from tests.roles.status.test_status import FULL, NOW, shown


def test_old_code_is_told_with_what_becomes_of_it() -> None:
    units = {
        "livekit-redis.service": {"MainPID": "7", "ActiveState": "active"},
        "livekit-egress@a.service": {"MainPID": "8", "ActiveState": "active"},
        "livekit-egress@b.service": {"MainPID": "9", "ActiveState": "deactivating"},
        "livekit-edge.service": {"MainPID": "10", "ActiveState": "active"},
    }
    lines = [f"{unit} {'11' if 'edge' in unit else units[unit]['MainPID']} /usr/lib/libssl.so.3" for unit in units]
    lines += ["livekit-edge.service 12 /usr/lib/libz.so.1", "livekit-x.service 1 /l.so"]
    seen = HostState(units=units, answers={"old-code": lines})
    one = replace(FULL, old_code=old_code.told(seen, units))
    text = shown(one)
    for words in (
        "old code      livekit-edge.service: libssl.so.3, libz.so.1 was replaced since it started (2 processes); it",
        "livekit-egress@a.service: libssl.so.3 was replaced since it started; deploy with --data refresh=yes: a new",
        "livekit-egress@b.service: libssl.so.3 was replaced since it started; it ends when it has drained",
        "livekit-redis.service: libssl.so.3 was replaced since it started; deploy: it gets the new code, calls go on",
    ):
        assert words in text, text
    assert "livekit-x" not in text, "is not ours"
    assert "old code      none" in shown(FULL)
    assert json.loads(render.as_json({"lk1": one}, NOW))["hosts"]["lk1"]["old_code"]["livekit-edge.service"]["ends"]
