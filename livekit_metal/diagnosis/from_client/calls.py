"""Real calls, each by one way only. The program of its own: what the SDK does to a process ends with it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livekit_metal.call.quality.figures import Figures
from livekit_metal.core.check_result import CheckResult, Result, failed
from livekit_metal.core.types.quality import Quality
from livekit_metal.diagnosis.from_client import quality, turn_port
from livekit_metal.diagnosis.from_client.quality import WAYS
from livekit_metal.diagnosis.subject import Subject

if TYPE_CHECKING:
    from livekit_metal.call.access import Access
    from livekit_metal.call.join_info import Announced

WITHIN = 25.0  # s for a call
AT_ONCE = 3
_ROOT = Path(__file__).parents[3]
_PORTS = {
    "udp": "UDP of livekit.media_udp",
    "tcp": "TCP of livekit.ice_tcp",
    "turn-udp": "UDP of livekit.turn_udp",
    "turn-udp-443": "UDP 443 (livekit.turn.udp_443)",
    "turn-tls": "TCP 443",
}


def paths(told: Announced, *, tcp: bool = True) -> tuple[str, ...]:
    """The ways that a server offers: those that it must have (``tcp``: ICE over TCP), and what it announces besides."""
    offered = [each for each in WAYS if each.startswith("turn") and told.turn(each)]
    return ("udp", *(("tcp",) if tcp or told.tcp else ()), *offered)


class Turns:
    """Calls share the way: some at once, and one that is to be judged by itself has it alone."""

    def __init__(self) -> None:
        self._places, self._alone = asyncio.Semaphore(AT_ONCE), asyncio.Lock()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        async with self._places:
            yield

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        async with self._alone:
            for _ in range(AT_ONCE):
                await self._places.acquire()
            try:
                yield
            finally:
                for _ in range(AT_ONCE):
                    self._places.release()


def arguments(*, node: str | None, through: Sequence[str | None], path: str | None) -> tuple[str, ...]:
    """What ``livekit_metal.call`` is told beside ``--access -``; by one way it is measured too."""
    publish, subscribe = through
    words = [
        *(("--node", node) if node else ()),
        *(("--publish-through", publish) if publish else ()),
        *(("--subscribe-through", subscribe) if subscribe else ()),
        *(("--path", path, "--quality") if path else ()),
    ]
    return ("--json", "--seconds", "1", "--within", f"{WITHIN:.0f}", *words)


async def made(access: Access, words: Sequence[str], turns: Turns, wanted: Quality, *, is_open: bool = False) -> str:
    """Everything that a call made on this machine says.

    One that was not good by a way that is open is made once more, alone: several at once fill a way that carries one,
    a busy machine loses some, and only what lasts is a fault.
    """
    async with turns.one():
        said = await _once(access, words)
    if not again(said, wanted, is_open=is_open):
        return said
    async with turns.alone():
        return await _once(access, words)


def again(said: str, wanted: Quality, *, is_open: bool = False) -> bool:
    """Whether the call could have been better: it came up and was poor, or the way is open (as far as is known)."""
    report = _report(said)
    if report is None:
        return False
    if report["ok"]:
        return (figures := measured(said)) is not None and quality.poor(figures, wanted)
    return "received_s" in report or (bool(report.get("no_media")) and (is_open or report.get("back", 0) > 0))


def measured(said: str) -> Figures | None:
    """What a call that came up has measured."""
    found = (_report(said) or {}).get("quality")
    return Figures(**found) if found else None


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


def judged(said: str, check: str, about: str, here: str, told: Announced | None, *, answers: str = "") -> CheckResult:
    """The row for what a call said: the last of its lines that is a report. ``answers``: what shows that TURN's own
    port is open."""
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
    if report.get("no_media") and told is not None and check in WAYS:
        if report.get("back"):
            answers = f"{report['back']} packets came back for {report['sent']}"
        row = failed(check, about, here, *_closed(check, told, answers))
        # what TURN relays goes on to the host's own port for media
        return dataclasses.replace(row, explained_by=("udp",)) if answers and check.startswith("turn") else row
    fact, _, remedy = str(report["problems"][0]).removeprefix("call: ").rpartition("; ")
    return failed(check, about, here, fact, remedy)


def _closed(check: str, told: Announced, answers: str) -> tuple[str, str]:
    """Fact and remedy for a way that carries nothing, though it may be open."""
    if check.startswith("turn"):
        where = " ".join(server.url for server in told.turn(check))
    else:
        where = ", ".join(f"{address}:{port}" for address, port in (told.udp if check == "udp" else told.tcp))
    fact = f"no media by {WAYS[check]} to {where}"
    if not answers:
        return fact, f"open {_PORTS[check]} from here to the host and back (docs/ports.md): firewalls, NAT"
    fact += f", and it is open: {answers}"
    if check.startswith("turn"):
        return fact, "what it relays goes on to livekit.media_udp on the host itself: see rules there, and the row udp"
    return fact, "the way loses packets or is too slow for a call: try from another network (--data from=HOST)"


def _report(said: str) -> dict[str, Any] | None:
    for line in reversed(said.splitlines()):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and "ok" in found and "problems" in found:
            return found
    return None


async def all_paths(case: Subject, about: str, through: str | None, told: Announced, turns: Turns) -> list[CheckResult]:
    """A call by each way through one place, on the node that ``told`` is of, and how good the ways are."""

    async def one(path: str) -> tuple[CheckResult, Figures | None]:
        words = arguments(node=told.node.id, through=(through, through), path=path)
        answers = await _answers(case, path, told)
        said = await made(case.access, words, turns, case.quality, is_open=bool(answers))
        return judged(said, path, about, case.here, told, answers=answers), measured(said)

    ways = paths(told, tcp=case.tcp)
    found = dict(zip(ways, await asyncio.gather(*(one(path) for path in ways)), strict=True))
    good = {path: figures for path, (_, figures) in found.items() if figures}
    return [*(row for row, _ in found.values()), *quality.rows(about, case.here, good, case.quality)]


async def _answers(case: Subject, path: str, told: Announced) -> str:
    """What shows that the port of TURN is open, in words: '' where nothing does, or another way has its own proof."""
    if path.startswith("turn-udp"):
        return await turn_port.answered((server.url for server in told.turn(path)), dict(case.access.names))
    return "TLS is taken there" if path == "turn-tls" else ""  # else the call ends before there is any media


async def across(case: Subject, first: str, second: str, turns: Turns) -> CheckResult:
    """A publisher through one host, a subscriber through another, the room on the first's node."""
    words = arguments(node=case.nodes.get(first), through=(first, second), path=None)
    said = await made(case.access, words, turns, case.quality)
    return judged(said, "across", f"{first} and {second}", case.here, None)
