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

from lab.state import facts
from livekit_metal.roles.prometheus.dashboards.board import Board, Panel
from livekit_metal.roles.prometheus.dashboards.every import BOARDS

WIDTH, CELL, ROW = 1200, 50, 26  # pixels of the page, of a column of its grid (24 of them), of a row
COLOURS = ("#2a7", "#27c", "#c52", "#a3a", "#880", "#088", "#c28", "#555")
_UNITS = {
    "percent": "%",
    "ms": " ms",
    "s": " s",
    "bytes": " B",
    "Bps": " B/s",
    "bps": " bit/s",
    "pps": " p/s",
    "d": " d",
}
_BROWSER = (
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--force-device-scale-factor=0.85",
)

Series = list[tuple[str, list[tuple[float, float]]]]


class Prometheus:
    """The API of the server at ``base``, over the last ``minutes``."""

    def __init__(self, base: str, minutes: float) -> None:
        self._base, self.end = base, time.time()
        self.start = self.end - 60 * minutes
        self._step = max(5, int(60 * minutes / 120))

    def series(self, panel: Panel) -> Series:
        found: Series = []
        for expr, legend in panel.queries:
            words = expr.replace("$__rate_interval", "1m").replace("$__interval", "1m").replace("$host", ".+")
            query = {"query": words, "start": self.start, "end": self.end, "step": self._step}
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


def _short(value: float, unit: str) -> str:
    if unit in ("ms", "ns") and (seconds := value / {"ms": 1e3, "ns": 1e9}[unit]) >= 1:
        return f"{seconds:.3g} s"
    if unit == "percentunit":
        return f"{value:.1%}"
    if unit in ("dateTimeAsIso", "dateTimeFromNow"):
        return time.strftime("%m-%d %H:%M", time.gmtime(value / 1000))
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {letter}{_UNITS.get(unit, '').strip()}"
    return f"{value:.3g}{_UNITS.get(unit, '')}"


def _chart(panel: Panel, series: Series, span: tuple[float, float], size: tuple[int, int]) -> str:
    wide, high = size
    values = [value for _, points in series for _, value in points]
    top = max([*values, panel.most or 0]) * 1.05 or 1.0
    lines = []
    for i in range(4):
        y, at = high - i * high / 3.2, i / 3.2 * top
        lines.append(f'<line x1="62" x2="{wide}" y1="{y:.0f}" y2="{y:.0f}" stroke="#ddd"/>')
        lines.append(f'<text x="58" y="{y + 4:.0f}" text-anchor="end">{html.escape(_short(at, panel.unit))}</text>')
    for i, (_, points) in enumerate(series):
        place = " ".join(
            f"{62 + (at - span[0]) / (span[1] - span[0]) * (wide - 62):.1f},{high - value / top * high:.1f}"
            for at, value in points
        )
        colour = COLOURS[i % len(COLOURS)]
        lines.append(f'<polyline points="{place}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    return f'<svg width="{wide}" height="{high + 8}" viewBox="0 -6 {wide} {high + 12}">{"".join(lines)}</svg>'


def _panel(panel: Panel, place: Mapping[str, int], prometheus: Prometheus) -> tuple[str, bool]:
    """Its HTML, and whether it has data."""
    series = prometheus.series(panel)
    wide, high = place["w"] * CELL - 26, place["h"] * ROW - 78
    if not series:
        body = '<p class="none">no data</p>'
    elif panel.kind == "stat":
        words = [
            f"{_short(points[-1][1], panel.unit)} <small>{html.escape(name)}</small>" for name, points in series[:4]
        ]
        body = f'<p class="stat">{"<br>".join(words)}</p>'
    else:
        body = _chart(panel, series, (prometheus.start, prometheus.end), (wide, max(high, 40)))
        names = [
            f'<b style="color:{COLOURS[i % len(COLOURS)]}">—</b> {html.escape(n)}' for i, (n, _) in enumerate(series)
        ]
        body += f'<p class="legend">{" &nbsp; ".join(names[:8])}{" …" if len(names) > 8 else ""}</p>'
    at = {"left": place["x"] * CELL, "top": place["y"] * ROW + 40}
    at |= {"width": place["w"] * CELL - 8, "height": place["h"] * ROW - 8}
    box = ";".join(f"{name}:{pixels}px" for name, pixels in at.items())
    return f'<div style="{box}"><h2>{html.escape(panel.title)}</h2>{body}</div>', bool(series)


_STYLE = """body{margin:0;background:#f4f5f7;font:12px sans-serif;width:1200px}
h1{font-size:18px;margin:0;padding:9px}h2{font-size:13px;margin:0 0 4px}
div{position:absolute;background:#fff;border:1px solid #ddd;overflow:hidden;padding:4px;box-sizing:border-box}
.legend{margin:2px;font-size:11px;height:30px;overflow:hidden}svg text{font-size:10px;fill:#555}
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
            for _ in range(100):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", here), 1):
                    break
                time.sleep(0.1)
            yield f"http://127.0.0.1:{here}"
        finally:
            process.terminate()


def draw(base: str, folder: Path, minutes: float) -> None:
    """A picture of each dashboard, of the last ``minutes``."""
    for board in BOARDS:
        text, high, empty = page(board, Prometheus(base, minutes))
        target = folder / f"{board.name}.png"
        picture(text, high, target)
        print(f"{target}: {target.stat().st_size >> 10} kB; without data: {', '.join(empty) or 'none'}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.pictures", description=__doc__)
    parser.add_argument("host")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--port", type=int, default=9090)
    options = parser.parse_args()
    with tunnel(options.host, options.port) as base:
        draw(base, options.folder, options.minutes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
