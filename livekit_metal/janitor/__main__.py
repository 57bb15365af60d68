"""``python -m livekit_metal.janitor``: what it found and did; status 0 when nothing is left to do."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Sequence

import aiohttp
from livekit.api import ServerError

from livekit_metal import janitor
from livekit_metal.call.access import Access, add_arguments, chosen
from livekit_metal.call.errors import CallError, redacted, remedy_for
from livekit_metal.call.server import server_api
from livekit_metal.janitor import NODE_LASTS, PATIENCE, Report, sweep


async def _run(access: Access, options: argparse.Namespace) -> Report:
    """Raises :class:`CallError`, also when the API fails."""
    url = access.through(options.through)
    say: Callable[[str], None] = (lambda line: None) if options.json else lambda line: print(line, flush=True)
    elsewhere = "see whether a slot serves there; --through HOST goes by another host"
    try:
        async with server_api(access, options.through) as api:
            return await sweep(api, patience=options.patience, dry=options.dry, say=say)
    except TimeoutError:
        raise CallError("node", f"{url}: no answer", elsewhere) from None
    except aiohttp.ClientError as error:
        raise CallError("node", f"{url}: {error}", elsewhere) from None
    except ServerError as error:
        fact = redacted(f"{url}: HTTP {error.status} {error.message}".rstrip())
        raise CallError("node", fact, elsewhere if error.status >= 500 else remedy_for(fact, None)) from None


def _patience(text: str) -> float:
    if not (seconds := float(text)) >= NODE_LASTS:
        raise argparse.ArgumentTypeError(f"a dead node counts as alive for some seconds: at least {NODE_LASTS:g}")
    return seconds


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m livekit_metal.janitor", description=janitor.__doc__, formatter_class=raw
    )
    add_arguments(parser)
    parser.add_argument("--through", metavar="HOST", help="ask this host; default: the site's URL")
    said = "S between two questions to a room that does not answer; default: %(default)g"
    parser.add_argument("--patience", type=_patience, default=PATIENCE, metavar="S", help=said)
    parser.add_argument("--dry", action="store_true", help="only say which rooms have lost their node")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 nothing is left to do, 1 something is or the API failed, 2 usage, 130 interrupted."""
    options = _parser().parse_args(argv)
    try:
        report = asyncio.run(_run(chosen(options), options))
    except CallError as error:
        print(json.dumps({"ok": False, "problems": [str(error)]}) if options.json else f"FAILED {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    if options.json:
        print(report.to_json())
    else:
        told = "\n".join(f"FAILED {problem}" for problem in report.problems())
        print(f"{report.table()}\n{told or 'ok: every room has a node, and no state is lost'}")
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
