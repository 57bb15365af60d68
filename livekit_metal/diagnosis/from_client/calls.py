"""Real calls, each by one way only. The program of its own: what the SDK does to a process ends with it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livekit_metal.core.check_result import CheckResult, Result, failed
from livekit_metal.diagnosis.subject import Subject

if TYPE_CHECKING:
    from livekit_metal.call.access import Access
    from livekit_metal.call.join_info import Announced

WITHIN = 20.0  # s for a call
AT_ONCE = 3
_ROOT = Path(__file__).parents[3]
_WAYS = {
    "udp": "UDP",
    "tcp": "ICE over TCP",
    "turn-udp": "TURN over UDP",
    "turn-udp-443": "TURN over UDP 443",
    "turn-tls": "TURN over TLS",
}
_PORTS = {
    "udp": "UDP of livekit.media_udp",
    "tcp": "TCP of livekit.ice_tcp",
    "turn-udp": "UDP of livekit.turn_udp",
    "turn-udp-443": "UDP 443 (livekit.turn.udp_443)",
    "turn-tls": "TCP 443",
}


def paths(told: Announced, *, tcp: bool = True) -> tuple[str, ...]:
    """The ways that a server offers: those that it must have (``tcp``: ICE over TCP), and what it announces besides."""
    offered = [each for each in _WAYS if each.startswith("turn") and _of(each, told)]
    return ("udp", *(("tcp",) if tcp or told.tcp else ()), *offered)


def _of(path: str, told: Announced) -> list[str]:
    """The URLs of TURN for a path."""
    tls, by_443 = path == "turn-tls", path == "turn-udp-443"
    urls = (server.url for server in told.servers if server.url.startswith("turns:" if tls else "turn:"))
    return [url for url in urls if tls or (":443?" in url) is by_443]


def arguments(*, node: str | None, through: Sequence[str | None], path: str | None) -> tuple[str, ...]:
    """What ``livekit_metal.call`` is told beside ``--access -``."""
    publish, subscribe = through
    words = [
        *(("--node", node) if node else ()),
        *(("--publish-through", publish) if publish else ()),
        *(("--subscribe-through", subscribe) if subscribe else ()),
        *(("--path", path) if path else ()),
    ]
    return ("--json", "--seconds", "1", "--within", f"{WITHIN:.0f}", *words)


async def made(access: Access, words: Sequence[str]) -> str:
    """Everything that a call made on this machine says.

    One that came up and lost sound is made once more: a busy machine loses some, and only what lasts is a fault.
    """
    said = await _once(access, words)
    return await _once(access, words) if lossy(said) else said


def lossy(said: str) -> bool:
    """Whether the call came up, and was not good all the same."""
    report = _report(said)
    return report is not None and not report["ok"] and "received_s" in report


async def _once(access: Access, words: Sequence[str]) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "livekit_metal.call", "--access", "-", *words),
        cwd=_ROOT,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    said, _ = await process.communicate(json.dumps(dataclasses.asdict(access)).encode())
    return said.decode()


def judged(said: str, check: str, about: str, here: str, told: Announced | None) -> CheckResult:
    """The row for what a call said: the last of its lines that is a report."""
    report = _report(said)
    if report is None:
        last = said.strip()[-200:]
        return CheckResult(
            check=check,
            about=about,
            vantage=here,
            result=Result.UNKNOWN,
            said=f"the call said nothing ({last})",
            remedy="run it by hand: python -m livekit_metal.call --path",
        )
    if report["ok"]:
        first, gap = report["first_frame_s"], report["largest_gap_ms"]
        return CheckResult(
            check=check, about=about, vantage=here, said=f"first sound after {first:.1f} s, gap {gap:.0f} ms"
        )
    if report.get("no_media") and told is not None and check in _WAYS:
        return failed(check, about, here, *_closed(check, told))
    fact, _, remedy = str(report["problems"][0]).removeprefix("call: ").rpartition("; ")
    return failed(check, about, here, fact, remedy)


def _closed(check: str, told: Announced) -> tuple[str, str]:
    """Fact and remedy for a way that carries nothing."""
    if check.startswith("turn"):
        where = " ".join(_of(check, told))
    else:
        where = ", ".join(f"{address}:{port}" for address, port in (told.udp if check == "udp" else told.tcp))
    remedy = f"open {_PORTS[check]} from here to the host and back (docs/ports.md): firewalls, NAT"
    return f"no media by {_WAYS[check]} to {where}", remedy


def _report(said: str) -> dict[str, Any] | None:
    for line in reversed(said.splitlines()):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and "ok" in found and "problems" in found:
            return found
    return None


async def all_paths(
    case: Subject, about: str, through: str | None, told: Announced, turn: asyncio.Semaphore
) -> list[CheckResult]:
    """A call by each way through one place, on the node that ``told`` is of."""

    async def one(path: str) -> CheckResult:
        async with turn:
            words = arguments(node=told.node.id, through=(through, through), path=path)
            return judged(await made(case.access, words), path, about, case.here, told)

    return list(await asyncio.gather(*(one(path) for path in paths(told, tcp=case.tcp))))


async def across(case: Subject, first: str, second: str, turn: asyncio.Semaphore) -> CheckResult:
    """A publisher through one host, a subscriber through another, the room on the first's node."""
    async with turn:
        words = arguments(node=case.nodes.get(first), through=(first, second), path=None)
        return judged(await made(case.access, words), "across", f"{first} and {second}", case.here, None)
