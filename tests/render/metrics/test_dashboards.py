"""Every query of every dashboard is PromQL, asks for what there is, and its panel says why it is there."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from livekit_metal.roles.prometheus.alerts.every import ALERTS
from livekit_metal.roles.prometheus.dashboards.board import Board, Panel
from livekit_metal.roles.prometheus.dashboards.every import BOARDS, files
from livekit_metal.roles.prometheus.thresholds import Thresholds
from tests.render.metrics.known import asked, known, unknown

Program = Callable[[str, str], str]
UNITS = {"short", "ops", "reqps", "pps", "bps", "ms", "ns", "s", "d", "bytes", "percent", "percentunit", "bool"}
WANTED = {"site", "host", "calls", "recordings", "streams", "phones", "agents", "deploys"}
PANELS = [(board, panel) for board in BOARDS for panel in board.panels]


def queries() -> Iterator[tuple[str, str]]:
    """(where it stands, PromQL) with Grafana's variables replaced as it would."""
    for board, panel in PANELS:
        for expr, _ in panel.queries:
            yield f"{board.name}: {panel.title}", expr.replace("$__rate_interval", "1m").replace("$host", "lk1|lk2")


def test_every_part_of_a_site_has_a_dashboard() -> None:
    assert {board.name for board in BOARDS} == WANTED


def test_promtool_reads_every_query(program: Program, tmp_path: Path) -> None:
    rules = [{"record": f"query:{number}", "expr": expr} for number, (_, expr) in enumerate(queries())]
    assert len(rules) > 80
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(
        [program("promtool", "prometheus"), "check", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("where", "expr"), list(queries()), ids=[where for where, _ in queries()])
def test_it_asks_for_what_there_is(where: str, expr: str) -> None:
    assert [*asked(expr)], where
    assert [*unknown(expr)] == [], where


@pytest.mark.parametrize("alert", [a for a in ALERTS if a.expr != "vector(1)"], ids=lambda alert: alert.name)
def test_so_does_every_alert(alert: object) -> None:
    """A rule about what upstream has renamed would be quiet for ever."""
    expr = str(next(a for a in ALERTS if a is alert).rule(Thresholds())["expr"])
    assert [*asked(expr)]
    assert [*unknown(expr)] == []


@pytest.mark.parametrize(
    ("expr", "told"),
    [
        ("livekit_forward_jitter", "livekit_forward_jitter is no metric"),  # gone with 1.13.8
        ('livekit_participant_join_total{warp="false"}', "livekit_participant_join_total has no warp"),
        ("sum by (sdk) (rate(livekit_session_start_time_ms_count[5m]))", "nothing has a label sdk"),
        ("livekit_node_cpu_load", "livekit_node_cpu_load is of several jobs: choose one"),
        ('livekit_egress_available{job="sip"}', "livekit_egress_available is not of sip"),
        ('sum by (to) (livekit_sip_calls_active{job="sip"})', "nothing has a label to"),
    ],
)
def test_what_there_is_not_is_seen(expr: str, told: str) -> None:
    assert told in [*unknown(expr)]


def test_a_rate_is_of_what_only_grows() -> None:
    """And a gauge is no rate: upstream's names end alike."""
    metrics = known()
    for where, expr in queries():
        for name in re.findall(r"(?:rate|increase)\((\w+)", expr):
            kinds = {each.kind for each in metrics[name]}
            assert kinds <= {"counter", "histogram", "summary", "untyped"} or name == "livekit_node_packet_total", where


@pytest.mark.parametrize(("board", "panel"), PANELS, ids=[f"{b.name}: {p.title}" for b, p in PANELS])
def test_a_panel_says_what_it_is_for(board: Board, panel: Panel) -> None:
    assert panel.why.endswith(".")
    assert panel.unit in UNITS
    for expr, legend in panel.queries:
        assert legend, "a line without a name is its labels, all of them"
        assert ("$host" in expr) == board.of_hosts or not panel.queries[0][0].startswith(expr), panel.title
        shown = set(re.findall(r"\{\{(\w+)\}\}", legend))
        if by := re.match(r".*?\bby \(([^)]*)\)", expr, re.DOTALL):
            assert shown <= {word.strip() for word in by[1].split(",")}, f"{panel.title}: not of its labels"


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_hosts_can_be_chosen_in_every_panel_or_in_none(board: Board) -> None:
    for panel in board.panels:
        for expr, _ in panel.queries:
            assert ('host=~"$host"' in expr) == board.of_hosts, panel.title


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_panels_stand_beside_each_other_and_not_on_each_other(board: Board) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board.json["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in board.json["panels"]}) == len(board.panels)


def test_files_are_json_that_names_no_grafana() -> None:
    found = files()
    assert len(found) == len(BOARDS)
    for name, text in found.items():
        board = json.loads(text)
        assert f"livekit-{board['uid'].removeprefix('livekit-metal-')}.json" == name
        assert "id" not in board, "a number of one Grafana"
        sources = {json.dumps(each) for each in re.findall(r'"uid": "([^"]*)"', text)} - {json.dumps(board["uid"])}
        assert sources == {'"${source}"'}
