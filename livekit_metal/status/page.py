"""``--data html=FILE``: the site as one page that needs nothing else, to be looked at in a browser.

It is what the table says, so that there is one description of a host. Text of others is text, never markup, and the
page may load and run nothing (its Content-Security-Policy).
"""

from __future__ import annotations

import html
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from livekit_metal.runtime.run.read_only import Unreachable
from livekit_metal.runtime.slots.occupancy import Occupancy, State
from livekit_metal.status import render
from livekit_metal.status.facts import Overview

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 1.5rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.1rem; margin: 0; } h3 { font-size: 1rem; margin: 0.8rem 0 0.2rem; }
section { border: 1px solid #8886; border-radius: 0.5rem; margin: 1rem 0; padding: 0.8rem 1rem; }
table { border-collapse: collapse; width: 100%; } .wide { overflow-x: auto; }
th, td { padding: 0.15rem 0.8rem 0.15rem 0; text-align: left; vertical-align: top; }
th { font-weight: 600; color: #888; } td.n, th.n { text-align: right; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.1rem 1rem; margin: 0.6rem 0 0; }
dt { color: #888; } dd { margin: 0; overflow-wrap: anywhere; }
code { overflow-wrap: anywhere; } small { color: #888; }
.tag { border-radius: 0.3rem; padding: 0 0.4rem; color: #fff; background: #777; white-space: nowrap; }
.active, .well { background: #18794e; } .draining, .ticket { background: #9a6700; }
.proving { background: #0b6e99; } .page, .unread { background: #c62828; }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(site: str, found: Mapping[str, Any], now: float, again: int = 0) -> str:
    """The whole text; ``now`` in Unix seconds. With ``again`` a browser reads it once more after so many seconds."""
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now))
    refresh = f'<meta http-equiv="refresh" content="{again}">' if again else ""
    body = [
        f"<h1>{_t(site)} <small>as of {moment} UTC</small></h1>",
        *_alerts(found),
        *(line for name, one in found.items() for line in _host(name, one, now)),
    ]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">{refresh}',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{_t(site)}: status</title><style>{_STYLE}</style></head><body>",
            *body,
            "</body></html>\n",
        ]
    )


def _t(text: object) -> str:
    return html.escape(render.plain(str(text)))


def _tag(word: str) -> str:
    return f'<span class="tag {html.escape(word)}">{_t(word)}</span>'


def _alerts(found: Mapping[str, Any]) -> Iterator[str]:
    """What fires, of every Prometheus of the site, each once."""
    watching = {name: one.alerts for name, one in found.items() if isinstance(one, Overview) and one.watches}
    yield "<section><h2>Alerts</h2>"
    for name in (name for name, alerts in watching.items() if alerts is None):
        yield f"<p>{_tag('unread')} Prometheus on {_t(name)} does not answer: nobody is told of anything</p>"
    firing = dict.fromkeys(each for alerts in watching.values() for each in alerts or ())
    if firing:
        yield '<div class="wide"><table><tr><th></th><th>alert</th><th>what</th><th>since</th><th>next</th></tr>'
        for each in firing:
            cells = (
                _tag(each.severity),
                _t(each.name),
                _t(each.summary),
                _t(each.since),
                f"<code>{_t(each.command)}</code>",
            )
            yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
        yield "</table></div>"
    elif any(alerts is not None for alerts in watching.values()):
        yield f"<p>{_tag('well')} none fires</p>"
    elif not watching:
        yield "<p>no host that was read has the role prometheus</p>"
    yield "</section>"


def _host(name: str, one: Any, now: float) -> Iterator[str]:
    yield f"<section><h2>{_t(name)}</h2>"
    if isinstance(one, Unreachable):
        yield f"<p>{_tag('unread')} {'<br>'.join(map(_t, one.why.splitlines()))}</p></section>"
        return
    for each in render.tables(one, now):
        yield from _slots(each)
    yield "<dl>"
    for label, lines in render.labelled(one):
        if label != "alerts":  # they have a place of their own
            yield f"<dt>{_t(label)}</dt><dd>{'<br>'.join(map(_harmless, lines)) or 'none'}</dd>"
    yield "</dl></section>"


def _harmless(line: str) -> str:
    """A line of the table, where it is harmless already, and coloured for a terminal."""
    return html.escape(click.unstyle(line))


def _slots(table: render.SlotTable) -> Iterator[str]:
    yield f'<h3>{_t(table.name)}</h3><div class="wide"><table><tr>'
    yield "".join(f"<th>{_t(word)}</th>" for word in render.COLUMNS)
    yield "".join(f'<th class="n">{_t(word)}</th>' for word in table.counted) + "</tr>"
    for slot, counts, remarks in table.rows:
        yield _row(slot, counts)
        yield from (f'<tr><td></td><td colspan="9"><small>{_harmless(each)}</small></td></tr>' for each in remarks)
    yield f"</table></div><p>{_t(table.label)} {_harmless(table.serving)}</p>"


def _row(slot: Occupancy, counts: Sequence[int | None]) -> str:
    cells = [_t(slot.slot), _tag(str(slot.state))]
    numbers: list[str] = []
    if slot.state is not State.EMPTY:
        cells += [_t(slot.generation or "?"), _t(slot.release or "?")]
        numbers = ["?" if n is None else str(n) for n in counts]
    joined = "".join(f"<td>{cell}</td>" for cell in cells) + "".join(f'<td class="n">{n}</td>' for n in numbers)
    return f"<tr>{joined}</tr>"
