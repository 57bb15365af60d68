"""A panel's series as SVG, with an axis that people read: round numbers in the panel's unit, and the time of day."""

from __future__ import annotations

import html
import math
import time

from livekit_metal.roles.prometheus.dashboards.board import Panel

COLOURS = ("#2a7", "#27c", "#c52", "#a3a", "#880", "#0bc", "#c28", "#555")
LEFT, BELOW = 62, 14  # pixels for what stands at the axes
_UNITS = {
    "percent": "%",
    "s": " s",
    "bytes": " B",
    "Bps": " B/s",
    "bps": " bit/s",
    "pps": " p/s",
    "d": " d",
}
_FRACTIONS = {"ms": 1e3, "ns": 1e9}  # of a second
_LINES = 5  # that a chart has at most, besides the one at 0
_CLOCK = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 3 * 3600, 6 * 3600, 12 * 3600, 86400)

Series = list[tuple[str, list[tuple[float, float]]]]


def in_words(value: float, unit: str) -> str:
    """A value as Grafana shows it."""
    if unit in _FRACTIONS:
        seconds = value / _FRACTIONS[unit]
        return f"{seconds:.3g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"
    if unit == "s" and abs(value) >= 2 * 60:
        return f"{value / 60:.3g} min" if abs(value) < 3600 else f"{value / 3600:.3g} h"
    if unit == "percentunit":
        return f"{100 * value:.3g}%"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {letter}{_UNITS.get(unit, '').strip()}"
    return f"{value:.3g}{_UNITS.get(unit, '')}"


def steps(top: float, unit: str = "") -> list[float]:
    """Round numbers from 0 to ``top`` or a little more; of seconds those of a clock, of what is counted whole ones."""
    rough = top / _LINES
    size = 10.0 ** math.floor(math.log10(rough))
    found = [each * size for each in (1, 2, 2.5, 5, 10)]
    if unit == "s" and 1 <= rough <= _CLOCK[-1]:
        found = [float(each) for each in _CLOCK]
    elif unit in ("short", "bool") and top >= 0.9:
        found = [max(1.0, round(each)) for each in found]
    step = next(each for each in found if each >= rough * 0.999)
    return [step * i for i in range(math.ceil(top / step * 0.97) + 1)]


def runs(points: list[tuple[float, float]], step: float) -> list[list[tuple[float, float]]]:
    """``points`` in pieces, where some are missing between them: no line leads over that."""
    found: list[list[tuple[float, float]]] = []
    for at, value in points:
        if not found or at - found[-1][-1][0] > 1.5 * step:
            found.append([])
        found[-1].append((at, value))
    return found


def chart(panel: Panel, series: Series, span: tuple[float, float], step: float, size: tuple[int, int]) -> str:
    """``span`` is the time that it shows, with points ``step`` apart (s); ``size`` its width and height."""
    wide, high = size[0], size[1] - BELOW
    values = [value for _, points in series for _, value in points]
    at = steps(max([*values, panel.most or 0]) or 1.0, panel.unit)

    def x(when: float) -> float:
        return LEFT + (when - span[0]) / (span[1] - span[0]) * (wide - LEFT)

    def y(value: float) -> float:
        return high - value / at[-1] * high

    lines = []
    for value in at:
        lines.append(f'<line x1="{LEFT}" x2="{wide}" y1="{y(value):.0f}" y2="{y(value):.0f}" stroke="#ddd"/>')
        word = html.escape(in_words(value, panel.unit))
        lines.append(f'<text x="{LEFT - 4}" y="{y(value) + 4:.0f}" text-anchor="end">{word}</text>')
    for i in range(1, 5):
        when = span[0] + i / 5 * (span[1] - span[0])
        word = time.strftime("%H:%M", time.gmtime(when))
        lines.append(f'<text x="{x(when):.0f}" y="{high + BELOW}" text-anchor="middle">{word}</text>')
    for i, (_, points) in enumerate(series):
        drawn = f'fill="none" stroke="{COLOURS[i % len(COLOURS)]}" stroke-width="1.5" stroke-linecap="round"'
        for run in runs(points, step):
            place = " ".join(f"{x(when):.1f},{y(value):.1f}" for when, value in (*run, run[-1]))
            lines.append(f'<polyline points="{place}" {drawn}/>')
    tall = size[1] + 8
    return f'<svg width="{wide}" height="{tall}" viewBox="0 -6 {wide} {tall + 4}">{"".join(lines)}</svg>'
