"""A Prometheus of the operator's logs in at the edge of a host: HAProxy itself, before a stand-in for an exporter."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livekit_metal.roles.edge.backends import Scrapers
from livekit_metal.runtime.slots import active_slot
from tests.render.edge.edge_rig import Edge, free_ports, get
from tests.render.edge.edges import edges
from tests.render.edge.fake_slot import FakeSlot
from tests.render.edge.run_here import run_here

WORD, NEXT = "tYf0-_rV9uGm", "bK2-next"  # the second while they are rotated


@pytest.fixture
def slot() -> Iterator[FakeSlot]:
    slot = FakeSlot("a", free_ports(1)[0])
    slot.start()
    yield slot
    slot.stop()


@pytest.fixture
def edge(
    tmp_path: Path, program: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch, slot: FakeSlot
) -> Iterator[Edge]:
    monkeypatch.setattr(active_slot, "run", run_here)
    who = Scrapers(
        user="grafana",
        digests=tuple(hashlib.sha256(each.encode()).hexdigest().upper() for each in (NEXT, WORD)),
        ours=("127.0.0.9",),  # not this machine's address towards itself
        others={"node": f"127.0.0.1:{slot.port}"},
    )
    with edges(program("haproxy", "haproxy"), tmp_path, slot) as make:
        yield make(scrapers=who)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("path", ["/metrics", "/node", "/livekit/a", "/nothing"])
def test_nobody_reads_anything_without_the_password(edge: Edge, path: str) -> None:
    wrong = (
        "",
        basic("grafana", "x"),
        basic("grafana", ""),
        basic("", WORD),
        basic("prometheus", WORD),
        f"Bearer {WORD}",
    )
    for header in wrong:
        status, body = get(edge.metrics, path, **({"Authorization": header} if header else {}))
        assert status == 401, header
        assert "haproxy_" not in body
    for right in (WORD, NEXT):
        assert get(edge.metrics, path, Authorization=basic("grafana", right))[0] != 401


def test_who_logs_in_finds_the_exporters_beside_the_slots(edge: Edge) -> None:
    known = {"Authorization": basic("grafana", WORD)}
    assert "haproxy_process_max_connections" in get(edge.metrics, "/metrics", **known)[1]
    status, body = get(edge.metrics, "/node", **known)
    assert status == 200
    assert '"path": "/metrics"' in body, body
    assert "authorization" not in body.lower(), "no exporter gets the password"
    assert get(edge.metrics, "/redis", **known)[0] == 404, "no Redis here"
    assert WORD not in Path(edge.settings.config_file).read_text()


def test_our_own_prometheus_needs_no_password(edge: Edge) -> None:
    assert get(edge.metrics, "/metrics")[0] == 401
    who = edge.settings.scrapers
    assert who is not None
    edge.reload(
        scrapers=Scrapers(user=who.user, digests=who.digests, ours=("127.0.0.1",), others={}), description="ours"
    )
    assert get(edge.metrics, "/metrics")[0] == 200
