"""The doctor's rows about other services, with HAProxy itself: what the host is asked is asked here."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Iterator

import pytest

from livekit_metal.core.check_result import CheckResult, Result
from livekit_metal.roles.edge import doctor
from livekit_metal.roles.edge.services import Backend
from livekit_metal.runtime.host.state import HostState
from livekit_metal.site.model import HostStack
from tests.render.edge.edge_rig import Edge, free_ports
from tests.render.edge.fake_slot import FakeSlot
from tests.render.services.conftest import MakeEdge


@pytest.fixture
def service() -> Iterator[FakeSlot]:
    made = FakeSlot("pad", free_ports(1)[0])
    made.start()
    yield made
    made.stop()


def rows(edge: Edge, **settings: object) -> list[CheckResult]:
    """Those of the edge, or of one whose site has other ``settings``."""
    own = dataclasses.replace(edge.settings, **settings)  # type: ignore[arg-type]
    answers = {}
    for name, text in doctor.needs(own).queries:
        done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True)
        answers[name] = done.stdout.splitlines()
    return list(doctor.checks(HostStack(host="lk1", ports=()), own, HostState(answers=answers)))


def test_each_name_and_each_path_is_asked_through_the_edge(make_edge: MakeEdge, service: FakeSlot) -> None:
    at = f"127.0.0.1:{service.port}"
    edge = make_edge(
        backends={
            "pad": Backend(server=at, names=("pad.example.org", "notes.example.org")),
            "tokens": Backend(server=at, paths=("/sfu/get", "/token"), strip=True),
            "app": Backend(server=at, paths=("/app",), check="/app/health"),
        }
    )
    edge.until(lambda: edge.up("service_pad", "service") and edge.up("service_tokens", "service"))
    edge.until(lambda: edge.up("service_app", "service"))
    found = rows(edge)
    assert {row.result for row in found} == {Result.OK}, found
    assert [row.said.partition(": ")[2] for row in found] == [
        "http://pad.example.org/ answers (HTTP 200)",
        "http://notes.example.org/ answers (HTTP 200)",
        "http://127.0.0.1/sfu/get/ answers (HTTP 200)",
        "http://127.0.0.1/token/ answers (HTTP 200)",
        "http://127.0.0.1/app/health answers (HTTP 200)",
    ]


def test_one_that_is_away_is_told_from_one_that_the_edge_takes_for_dead(make_edge: MakeEdge, service: FakeSlot) -> None:
    (nobody,) = free_ports(1)
    service.health = 500
    edge = make_edge(
        backends={
            "away": Backend(server=f"127.0.0.1:{nobody}", names=("away.example.org",)),
            "sick": Backend(server=f"127.0.0.1:{service.port}", names=("sick.example.org",), check="/"),
        }
    )

    def dead(backend: str) -> bool:
        states = (line.split() for line in edge.tell(f"show servers state {backend}").splitlines())
        return any(s[5] == "0" for s in states if len(s) > 11)

    edge.until(lambda: dead("service_away") and dead("service_sick"), within=60)
    away, sick = rows(edge)
    assert (away.result, sick.result) == (Result.FAILED, Result.FAILED)
    assert away.said == f"away: http://away.example.org/: nobody answers at 127.0.0.1:{nobody}"
    assert sick.said.startswith("sick: http://sick.example.org/: HTTP 503, and 127.0.0.1:")
    assert sick.said.endswith("itself answers (HTTP 500)")


def test_an_edge_that_has_yet_to_be_told_of_a_service_is_found(make_edge: MakeEdge, service: FakeSlot) -> None:
    """LiveKit says 200 to who asks for its name."""
    backends = {"pad": Backend(server=f"127.0.0.1:{service.port}", names=("pad.example.org",))}
    (row,) = rows(make_edge(), backends=backends)
    assert (row.result, row.said) == (Result.FAILED, "pad: the running HAProxy does not know it")


def test_a_site_without_services_asks_nothing(make_edge: MakeEdge) -> None:
    assert rows(make_edge()) == []
