"""The page that pictures of dashboards are made of: every panel is on it, and what has no data is named."""

from __future__ import annotations

from typing import Any

from bench import pictures
from livekit_metal.roles.prometheus.dashboards.board import Panel
from livekit_metal.roles.prometheus.dashboards.every import BOARDS


class Fake(pictures.Prometheus):
    """It has three points of whatever is asked for, but of one panel."""

    def __init__(self, silent: str) -> None:
        super().__init__("http://127.0.0.1:1", 15)
        self._silent = silent

    def series(self, panel: Panel) -> pictures.Series:
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
        (0.5, "percentunit"): "50.0%",
        (1536.0, "bps"): "1.54 kbit/s",
        (2e9, "bytes"): "2 GB",
        (12.0, "ms"): "12 ms",
        (3.0, "short"): "3",
    }
    found: dict[Any, str] = {given: pictures._short(*given) for given in told}
    assert found == told
