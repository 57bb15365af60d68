"""The page that pictures of dashboards are made of: every panel is on it, and what has no data is named."""

from __future__ import annotations

from typing import Any

import pytest

from bench import charts, pictures
from livekit_metal.roles.prometheus.dashboards.board import Panel
from livekit_metal.roles.prometheus.dashboards.every import BOARDS


class Fake(pictures.Prometheus):
    """It has three points of whatever is asked for, but of one panel."""

    def __init__(self, silent: str) -> None:
        super().__init__("http://127.0.0.1:1", 15)
        self._silent = silent

    def series(self, panel: Panel) -> charts.Series:
        if panel.title == self._silent:
            return []
        points = [(self.start + i, value) for i, value in enumerate((1.0, 2000.0, 3e9))]
        return [(f"<b>line</b> {legend}", points) for _, legend in panel.queries]


def test_every_panel_is_on_the_page_and_what_has_no_data_is_named() -> None:
    for board in BOARDS:
        silent = board.panels[1].title
        text, high, empty = pictures.page(board, Fake(silent))
        assert empty == [silent]
        assert text.count("<h2>") == len(board.panels)
        assert text.count("no data") == 1
        assert "<b>line" not in text, "names of others are no HTML"
        assert high > 100


def test_values_read_as_people_do() -> None:
    told: dict[tuple[float, str], str] = {
        (0.5, "percentunit"): "50%",
        (1536.0, "bps"): "1.54 kbit/s",
        (2e9, "bytes"): "2 GB",
        (12.0, "ms"): "12 ms",
        (3.0, "short"): "3",
        (90.0, "s"): "90 s",
        (1800.0, "s"): "30 min",
        (9000.0, "s"): "2.5 h",
        (250_000.0, "ns"): "0.25 ms",
    }
    found: dict[Any, str] = {given: charts.in_words(*given) for given in told}
    assert found == told


@pytest.mark.parametrize(
    ("top", "unit", "told"),
    [
        (5.0, "short", [0, 1, 2, 3, 4, 5]),
        (1.01, "short", [0, 1]),
        (0.0103, "short", [0, 0.0025, 0.005, 0.0075, 0.01]),
        (13.0, "pps", [0, 5, 10, 15]),
        (1.0, "percentunit", [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (528e6, "bytes", [0, 200e6, 400e6, 600e6]),
        (1500.0, "s", [0, 300, 600, 900, 1200, 1500]),
        (18000.0, "s", [0, 3600, 7200, 10800, 14400, 18000]),
        (0.8, "s", [0, 0.2, 0.4, 0.6, 0.8]),
    ],
)
def test_an_axis_has_round_numbers_up_to_what_it_shows(top: float, unit: str, told: list[float]) -> None:
    assert charts.steps(top, unit) == pytest.approx(told)


def test_no_line_leads_over_what_is_missing() -> None:
    assert charts.runs([(0, 1), (5, 2), (30, 3), (35, 4)], 5) == [[(0, 1), (5, 2)], [(30, 3), (35, 4)]]
