"""The doctor and status about a certificate by ACME."""

from __future__ import annotations

import time

import pytest

from procedures import overview
from procedures.diagnosis import acme, probes
from procedures.diagnosis.rows import Result, Row
from roles._kit.look import Seen
from stack.certificate import DAY
from stack.compose import Stack
from stack.site import Site
from tests.roles.test_status import seen, shown


@pytest.fixture
def stack(certified: Site) -> Stack:
    return certified.on("lk1")


def look(stack: Stack, days: float = 60, request: str = "", loaded: str = "AB", why: str = "") -> Seen:
    assert stack.acme
    now, found = int(time.time()), seen()
    end = now + int(days * DAY) + 60
    lies = [f"request {request or stack.acme.request}", f"startdate {end - 90 * DAY}", f"enddate {end}", "is AB"]
    found.probes |= {"acme.lies": lies, "acme.loaded": [loaded], "acme.why": [why] if why else []}
    return found


def row(stack: Stack, found: Seen) -> Row:
    (one,) = acme.certificate(stack, found)
    assert (one.check, one.about, one.vantage) == ("certificate", "lk1", "lk1")
    return one


def test_one_that_is_renewed_in_time_is_well(stack: Stack) -> None:
    found = row(stack, look(stack))
    assert found.result is Result.OK
    assert found.said.startswith("ends on ")
    assert found.said.endswith(", in 60 days")


def test_one_that_is_another_than_asked_for_has_failed_with_the_cas_reason(stack: Stack) -> None:
    found = row(stack, look(stack, request="0123", why="429 :: rateLimited"))
    assert found.result is Result.FAILED
    names = "lk.example.org, lk1.turn.example.org"
    url = "https://acme-v02.api.letsencrypt.org/directory"
    assert found.said == f"there is no certificate of {url} for {names} (429 :: rateLimited)"
    assert "livekit-acme" in found.remedy


def test_one_that_has_ended_or_is_not_served_has_failed(stack: Stack) -> None:
    assert row(stack, look(stack, days=-1)).result is Result.FAILED
    found = row(stack, look(stack, loaded="CD"))
    assert (found.result, found.remedy) == (Result.FAILED, "deploy")


def test_a_renewal_that_failed_is_a_note(stack: Stack) -> None:
    found = row(stack, look(stack, days=20, why="connection refused"))
    assert found.result is Result.NOTE
    assert found.said.startswith(
        "a certificate was not to be had (connection refused); the one that is served ends on "
    )
    assert found.remedy == "journalctl -u livekit-acme.service"
    assert row(stack, look(stack, days=20)).result is Result.NOTE, "nobody renews it"


def test_the_doctor_and_status_ask_where_there_is_acme_only(stack: Stack, single: Site, cluster: Site) -> None:
    assert "acme.lies" in dict(probes.needs(stack).probes)
    assert "acme.lies" not in dict(probes.needs(single.on("lk1")).probes)
    assert "acme.lies" not in dict(overview.needs(cluster, cluster.on("lk1")).probes)


def test_status_says_how_it_is(stack: Stack) -> None:
    found = look(stack, why="connection refused")
    found.probes["livekit.occupancy"] = ["active x", "end"]
    said = overview.of(stack, found).certificate
    assert said.startswith("a certificate was not to be had (connection refused); the one that is served ends on ")
    assert "certificate   a certificate was not" in shown(overview.of(stack, found))
