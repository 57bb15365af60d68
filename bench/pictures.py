"""Pictures of the dashboards, for a look at them where there is no Grafana: ``python -m bench.pictures HOST FOLDER``.

Every query of every panel is asked of the Prometheus of a lab host, and drawn as SVG on a page of ours, which Debian's
chromium makes a PNG of. Panels without data are named. Not Grafana's drawing: its queries, titles, units and places.
"""

from __future__ import annotations

import argparse
import contextlib
import html
import json
import math
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.charts import COLOURS, Series, chart, in_words
from lab.run import wait_until
from lab.state import facts
from livekit_metal.roles.prometheus.dashboards.board import Board, Panel
from livekit_metal.roles.prometheus.dashboards.every import BOARDS

_LOGS_IN = 60.0  # s
WIDTH, CELL, ROW = 1200, 50, 26  # pixels of the page, of a column of its grid (24 of them), of a row
MANY = len(COLOURS)  # names below a chart, at most
LEGEND = 15  # pixels of a line of names below a chart
_BROWSER = (
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--force-device-scale-factor=0.85",
)


class Prometheus:
    """The API of the server at ``base``, over ``minutes`` that ended ``ago`` minutes before now."""

    def __init__(self, base: str, minutes: float, ago: float = 0) -> None:
        self._base, self.end = base, time.time() - 60 * ago
        self.start = self.end - 60 * minutes
        self.step = max(5, int(60 * minutes / 120))

    def series(self, panel: Panel) -> Series:
        found: Series = []
        for expr, legend in panel.queries:
            words = expr.replace("$__rate_interval", "1m").replace("$__interval", "1m").replace("$host", ".+")
            query = {"query": words, "start": self.start, "end": self.end, "step": self.step}
            with urllib.request.urlopen(f"{self._base}/api/v1/query_range?{urllib.parse.urlencode(query)}") as answer:
                said = json.load(answer)
            for each in said["data"]["result"]:
                points = [(float(at), float(value)) for at, value in each["values"]]
                found.append((_named(legend, each["metric"]), [p for p in points if math.isfinite(p[1])]))
        return [(name, points) for name, points in found if points]


def _named(legend: str, labels: Mapping[str, str]) -> str:
    for name, value in labels.items():
        legend = legend.replace(f"{{{{{name}}}}}", value)
    return re.sub(r"{{\w+}}", "", legend).strip()  # a label that the series has not


def _panel(panel: Panel, place: Mapping[str, int], prometheus: Prometheus) -> tuple[str, bool]:
    """Its HTML, and whether it has data."""
    series = prometheus.series(panel)
    wide, high = place["w"] * CELL - 26, place["h"] * ROW - 78
    if not series:
        body = '<p class="none">no data</p>'
    elif panel.kind == "stat":
        words = [
            f"{in_words(points[-1][1], panel.unit)} <small>{html.escape(name)}</small>" for name, points in series[:4]
        ]
        body = f'<p class="stat">{"<br>".join(words)}</p>'
    else:
        names = [
            f'<b style="color:{COLOURS[i % len(COLOURS)]}">—</b> {html.escape(n)}'
            for i, (n, _) in enumerate(series[:MANY])
        ]
        lines = 1 + sum(len(name) + 4 for name, _ in series[:MANY]) // (wide // 6)
        size = wide, max(high + 6 - LEGEND * (lines - 1), 40)
        body = chart(panel, series, (prometheus.start, prometheus.end), prometheus.step, size)
        body += f'<p class="legend">{" &nbsp; ".join(names)}{" …" if len(series) > MANY else ""}</p>'
    at = {"left": place["x"] * CELL, "top": place["y"] * ROW + 40}
    at |= {"width": place["w"] * CELL - 8, "height": place["h"] * ROW - 8}
    box = ";".join(f"{name}:{pixels}px" for name, pixels in at.items())
    return f'<div style="{box}"><h2>{html.escape(panel.title)}</h2>{body}</div>', bool(series)


_STYLE = """body{margin:0;background:#f4f5f7;font:12px sans-serif;width:1200px}
h1{font-size:18px;margin:0;padding:9px}h2{font-size:13px;margin:0 0 4px}
div{position:absolute;background:#fff;border:1px solid #ddd;overflow:hidden;padding:4px;box-sizing:border-box}
.legend{margin:2px;font-size:11px}svg text{font-size:10px;fill:#555}
.stat{font-size:20px;margin:2px 8px;line-height:1.15}.stat small{font-size:11px;color:#555}.none{color:#a00}"""


def page(board: Board, prometheus: Prometheus) -> tuple[str, int, list[str]]:
    """The page, its height, and the titles of panels without data."""
    placed: Sequence[Any] = list(board.json["panels"])
    made = [
        (each, *_panel(panel, each["gridPos"], prometheus)) for panel, each in zip(board.panels, placed, strict=True)
    ]
    high = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in placed) * ROW + 48
    body = "".join(text for _, text, _ in made)
    text = (
        f"<!doctype html><meta charset=utf-8><style>{_STYLE}</style><h1>LiveKit: {html.escape(board.title)}</h1>{body}"
    )
    return text, high, [each["title"] for each, _, has in made if not has]


def picture(text: str, high: int, target: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "page.html"
        file.write_text(text)
        command = [
            *_BROWSER,
            f"--window-size={WIDTH},{high}",
            f"--screenshot={target}",
            f"--user-data-dir={directory}/u",
            file.as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    target.write_bytes(squeezed(target.read_bytes()))


def squeezed(png: bytes) -> bytes:
    """The same picture, its data compressed as far as zlib does: browsers are in a hurry."""
    at, before, data, after = 8, png[:8], b"", b""
    while at < len(png):
        size = int.from_bytes(png[at : at + 4])
        chunk, at = png[at : at + size + 12], at + size + 12
        if chunk[4:8] == b"IDAT":
            data += chunk[8:-4]
        elif data:
            after += chunk
        else:
            before += chunk
    body = b"IDAT" + zlib.compress(zlib.decompress(data), 9)
    return before + (len(body) - 4).to_bytes(4) + body + zlib.crc32(body).to_bytes(4) + after


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def tunnel(host: str, port: int) -> Iterator[str]:
    """Where the loopback port of a lab host is here."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        here = free.getsockname()[1]
    config = Path(facts()["directory"]) / "ssh_config"
    command = [
        "ssh",
        "-F",
        str(config),
        "-N",
        "-o",
        "ExitOnForwardFailure=yes",
        "-L",
        f"{here}:127.0.0.1:{port}",
        f"root@{host}",
    ]
    with subprocess.Popen(command) as process:
        try:
            if not wait_until(lambda: process.poll() is not None or _listens(here), _LOGS_IN) or process.poll():
                raise SystemExit(f"{host}: no way to its port {port}; see: python -m lab status")
            yield f"http://127.0.0.1:{here}"
        finally:
            process.terminate()


def draw(folder: Path, prometheus: Prometheus) -> None:
    """A picture of each dashboard."""
    for board in BOARDS:
        text, high, empty = page(board, prometheus)
        target = folder / f"{board.name}.png"
        picture(text, high, target)
        print(f"{target}: {target.stat().st_size >> 10} kB; without data: {', '.join(empty) or 'none'}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.pictures", description=__doc__)
    parser.add_argument("host")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--ago", type=float, default=0.0, help="minutes between their end and now")
    parser.add_argument("--port", type=int, default=9090)
    options = parser.parse_args()
    with tunnel(options.host, options.port) as base:
        draw(options.folder, Prometheus(base, options.minutes, options.ago))
    return 0


if __name__ == "__main__":
    sys.exit(main())
