"""A change under a running call: the promise that stands above the rest."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from livekit.protocol.room import CreateRoomRequest

from procedures.call import Access, Call, Report, room_service
from roles._kit.artifact import fetch
from stack import releases
from tests.deploys import deploy, variant
from tests.lab import Lab, lab, over_ssh

SERVING = [name for name, host in lab().site.hosts.items() if "livekit" in host.roles]
FIRST = SERVING[0]
LIMIT = 100.0  # ms without sound; the hiccups of this machine show in the control call
ENDS = 60.0  # s for a slot to end when its last call has; measured: 1 to 5


@dataclass(frozen=True)
class Slot:
    """A process of livekit-server, seen from its host."""

    unit: str
    node: str


def serving(lab: Lab, name: str) -> Slot:
    """The one slot that runs on a host and does not drain."""
    host, livekit = over_ssh(name), lab.site.on(name).livekit
    assert livekit is not None
    units = host.check_output("systemctl list-units --plain --no-legend --state=active 'livekit-server@*'")
    (unit,) = [line.split()[0] for line in units.splitlines()]
    metrics = livekit.part("metrics", unit.partition("@")[2].removesuffix(".service")).first
    found = host.check_output(f"curl -s http://127.0.0.1:{metrics}/metrics | grep -o 'ND_[^\"]*' | head -n 1")
    return Slot(unit, found)


@pytest.fixture
def changed(tmp_path: Path) -> Iterator[Path]:
    """An inventory that needs a new slot on every host; the site's own is deployed again in the end."""
    yield variant(tmp_path, {"livekit": {"room": {"empty_timeout": 301}}})
    assert deploy().status == 0


def _free(address: str, kind: socket.SocketKind) -> int:
    """A port that nobody has."""
    with socket.socket(type=kind) as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def untouched(lab: Lab) -> Iterator[Access]:
    """The same livekit-server on this machine, which no deploy knows: what befalls its calls, the machine did."""
    livekit, gateway = lab.site.livekit, lab.facts["gateway"]
    asked = releases.find("livekit-server", livekit.release, livekit.source, path="livekit.release")
    program = fetch(asked, lab.site.hosts[FIRST].arch, lock=lab.site.lock).path
    key, secret, port = "APIcontrol", secrets.token_urlsafe(32), _free(gateway, socket.SOCK_STREAM)
    media = {"tcp_port": _free(gateway, socket.SOCK_STREAM), "udp_port": _free(gateway, socket.SOCK_DGRAM)}
    config = {
        "port": port,
        "bind_addresses": [gateway],
        "keys": {key: secret},
        "rtc": media | {"node_ip": gateway, "ips": {"includes": [f"{gateway}/32"]}},
    }
    with subprocess.Popen([program, "--config-body", json.dumps(config)], stderr=subprocess.DEVNULL) as server:
        try:
            end = time.monotonic() + 20
            while True:
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"http://{gateway}:{port}/", timeout=2).close()
                    break
                assert server.poll() is None, "the control's server does not start"
                assert time.monotonic() < end, "the control's server does not answer"
                time.sleep(0.1)
            yield Access(url=f"ws://{gateway}:{port}", api_key=key, api_secret=secret)
        finally:
            server.kill()


async def pinned(access: Access, node: str) -> Call:
    """A call through the first host in a room that was put on ``node``."""
    room = f"change-{uuid4().hex[:12]}"
    async with room_service(access) as rooms:
        await rooms.create_room(CreateRoomRequest(name=room, node_id=node, departure_timeout=1))
    return Call(access, room=room, publish_through=FIRST, subscribe_through=FIRST)


def test_a_change_under_a_call_drops_nothing(access: Access, untouched: Access, lab: Lab, changed: Path) -> None:
    before = serving(lab, FIRST)
    reports: list[Report] = []

    async def scenario() -> None:
        async with await pinned(access, before.node) as call, Call(untouched) as control:
            assert (await call.where()).id == before.node
            told = await asyncio.to_thread(deploy, changed)
            assert told.status == 0, told.text
            after = {name: serving(lab, name) for name in SERVING}
            assert after[FIRST].unit != before.unit
            async with await pinned(access, after[FIRST].node) as new:
                assert (await new.where()).id == after[FIRST].node
            async with Call(access) as anywhere:
                assert (await anywhere.where()).id in {slot.node for slot in after.values()}
            assert (await call.where()).id == before.node, "the call is where it was"
            state = over_ssh(FIRST).run(f"systemctl is-active {before.unit}").stdout.strip()
            assert state == "deactivating", "the call holds its slot"
            reports.extend([await call.stop(), await control.stop()])

    asyncio.run(scenario())
    report, control = reports
    assert report.ok, report.table()
    assert report.events == (), report.table()  # no reconnection, no rejoin
    limit = max(LIMIT, 3 * control.largest_gap_ms)
    assert report.largest_gap_ms <= limit, f"{report.table()}\nthe control:\n{control.table()}"
    ended(before.unit)


def ended(unit: str) -> None:
    """The old slot ends by itself, and in its own way."""
    host, end = over_ssh(FIRST), time.monotonic() + ENDS
    while host.run(f"systemctl is-active {unit}").stdout.strip() == "deactivating":
        assert time.monotonic() < end, f"{unit} has not ended {ENDS:.0f} s after its last call"
        time.sleep(0.2)
    shown = host.check_output(f"systemctl show -p ActiveState -p Result {unit}")
    assert sorted(shown.split()) == ["ActiveState=inactive", "Result=success"]
