"""Behind an operator's proxy: who may connect to the host, and calls through the proxy while livekit-server changes."""

from __future__ import annotations

import asyncio
import subprocess
import time
from typing import Any

import pytest

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.call.report import MAY_MISS
from tests.proxies.conftest import FIRST, Proxied
from tests.support.calls.slots import ended, serving
from tests.support.hosts.lab import over_ssh
from tests.upgrade.judge import FACTOR, limit

SECONDS = 300  # more than a call ever lasts here: it is ended


def connects(namespace: str, address: str, port: int) -> bool:
    """Whether a stranger's connection is taken."""
    command = ["ip", "netns", "exec", namespace, "timeout", "2", "bash", "-c", f"</dev/tcp/{address}/{port}"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_nobody_but_the_proxy_gets_to_the_host(proxied: Proxied) -> None:
    """On the wire: a stranger's connection is dropped before the edge could say anything."""
    edge = proxied.site.edge
    for port in (edge.http.first, edge.turn.first):
        assert not connects(proxied.outside, proxied.host, port), port
        here = subprocess.run(["timeout", "2", "bash", "-c", f"</dev/tcp/{proxied.host}/{port}"], check=False)
        assert here.returncode == 0, "the proxy's machine is let in"
    slot = serving(proxied.site, FIRST).unit.partition("@")[2].removesuffix(".service")
    ice = proxied.site.livekit.part("ice-tcp", slot).first
    assert connects(proxied.outside, proxied.host, ice), "else this proves nothing"


def judged(report: dict[str, Any], control: Any) -> None:
    said = f"{report}\nthe control:\n{control.table()}"
    print(f"largest gap {report['largest_gap_ms']:.0f} ms, the control's {control.largest_gap_ms:.0f} ms")  # pytest -rP
    assert report["ok"], said
    assert report["events"] == [], said
    assert report["largest_gap_ms"] <= limit(control), said
    missed = report["seconds"] - report["received_s"]
    assert missed <= max(MAY_MISS, FACTOR * control.missed_s), said


@pytest.fixture
def quiet(control: Access) -> Any:
    """Begins a call on a server that nothing touches; what is returned ends it."""

    async def begin() -> Call:
        call = Call(control, path="udp")
        await call.__aenter__()
        return call

    async def end(call: Call) -> Any:
        return await call.stop()

    call = asyncio.run(begin())
    return lambda: asyncio.run(end(call))


def test_a_change_under_calls_through_the_proxy_is_not_heard(proxied: Proxied, quiet: Any) -> None:
    old = serving(proxied.site, FIRST)
    calls = [proxied.calls(SECONDS, over_tls=each) for each in (False, True)]
    for call in calls:
        call.up()
    changed = proxied.change(livekit={"room": {"empty_timeout": 400 + int(time.time()) % 86400}})
    new = serving(changed.site, FIRST)
    assert new.unit != old.unit
    state = over_ssh(FIRST).run(f"systemctl is-active {old.unit}").stdout.strip()
    assert state == "deactivating", "the calls hold their slot through the proxy"
    after = proxied.calls(4, over_tls=True)
    assert after.end()["ok"], "a new call gets through by the same port, to the new slot"
    reports = [call.stop() for call in calls]
    control = quiet()
    for report in reports:
        judged(report, control)
    ended(FIRST, old.unit)
