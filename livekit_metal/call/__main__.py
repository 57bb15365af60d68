"""``python -m livekit_metal.call``: make a call, say how it went; status 0 only for a good one."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import threading
from dataclasses import asdict

from livekit_metal.call.access import add_arguments, chosen
from livekit_metal.call.client import Call
from livekit_metal.call.conversation import Conversation
from livekit_metal.call.errors import CallError
from livekit_metal.call.forced_path import PATHS
from livekit_metal.call.quality.figures import Traffic
from livekit_metal.call.quality.measure import MeasuredCall
from livekit_metal.call.report import Report
from livekit_metal.call.server import pinned


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m livekit_metal.call", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the call; default: %(default)s")
    parser.add_argument("--publish-through", metavar="HOST", help="default: the site's URL")
    parser.add_argument("--subscribe-through", metavar="HOST", help="default: the site's URL")
    parser.add_argument("--node", metavar="ID", help="put the room on this node; default: wherever it lands")
    parser.add_argument("--path", choices=PATHS, help="the only way that media may take; default: whatever works best")
    parser.add_argument("--quality", action="store_true", help="measure loss, delay and throughput as well")
    parser.add_argument("--agent", metavar="NAME", help="talk to this agent, which repeats what it hears")
    parser.add_argument("--within", type=float, metavar="S", help="give up when the call has not ended after S seconds")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    return parser.parse_args()


async def made(options: argparse.Namespace, signals: list[signal.Signals], traffic: Traffic) -> Report:
    _leave_on(signals)
    access = chosen(options)
    if options.agent:
        async with Conversation(access, options.agent) as talk:
            await asyncio.sleep(options.seconds)
            return await talk.stop()
    room = await pinned(access, options.node, options.publish_through) if options.node else None
    call = (MeasuredCall if options.quality else Call)(
        access,
        room=room,
        path=options.path,
        traffic=traffic,
        publish_through=options.publish_through,
        subscribe_through=options.subscribe_through,
        say=(lambda line: None) if options.json else lambda line: print(line, flush=True),
    )
    async with call:
        await asyncio.sleep(options.seconds)
        report = await call.stop()
    if options.node and report.node != options.node:
        remedy = "see the server's journal: it has taken the room elsewhere"
        raise CallError("node", f"the room is on {report.node or 'an unknown node'}, not on {options.node}", remedy)
    return report


def _give_up(within: float, as_json: bool, traffic: Traffic) -> None:
    """End the process: the SDK has no way to end an attempt to connect."""
    problem = f"call: connect: it has not ended after {within:.0f} s; see whether media (UDP, ICE/TCP) gets through"
    print(_failed(problem, traffic, no_media=True) if as_json else f"FAILED {problem}", flush=True)
    os._exit(1)


def _failed(problem: str, traffic: Traffic, *, no_media: bool) -> str:
    """``sent`` and ``back`` are packets of a forced way: one by which anything came back is open."""
    return json.dumps({"ok": False, "no_media": no_media, "problems": [problem]} | asdict(traffic))


def _leave_on(signals: list[signal.Signals]) -> None:
    """Leave the room on the first signal (put into the list): a vanished participant holds up a drain.

    The second one ends the process at once.
    """
    this, loop = asyncio.current_task(), asyncio.get_running_loop()

    def interrupted(number: signal.Signals) -> None:
        signals.append(number)
        if this is not None:
            this.cancel()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)

    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, interrupted, each)


def main() -> int:
    options, signals, traffic = arguments(), list[signal.Signals](), Traffic()
    logging.getLogger("livekit").setLevel(logging.CRITICAL)  # what the SDK logs, the report says in one line
    if options.within:
        watchdog = threading.Timer(options.within, _give_up, (options.within, options.json, traffic))
        watchdog.daemon = True
        watchdog.start()
    try:
        report = asyncio.run(made(options, signals, traffic))
    except CallError as error:
        print(_failed(str(error), traffic, no_media=error.no_media) if options.json else f"FAILED {error}")
        return 1
    except asyncio.CancelledError:
        print(f"interrupted by {signals[0].name}", file=sys.stderr)
        return 128 + signals[0]
    if options.json:
        print(report.to_json())
    else:
        print(report.table())
        print("\n".join(f"FAILED {problem}" for problem in report.problems()) or "ok: the call was good")
    return 0 if report.ok else 1


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # the SDK's exit handler may abort the process after a failed connection (livekit 1.2.0)
