"""The doctor and status about a certificate by ACME."""

from __future__ import annotations

import time

import pytest

from livekit_metal.core.check_result import CheckResult, Result
from livekit_metal.diagnosis.on_host import queries
from livekit_metal.roles.acme import doctor
from livekit_metal.runtime.host.state import HostState
from livekit_metal.site.model import HostStack, Site
from livekit_metal.status import facts
from livekit_metal.vault.certificate import DAY
from tests.roles.status.test_status import seen, shown


@pytest.fixture
def stack(certified: Site) -> HostStack:
    return certified.for_host("lk1")


def look(stack: HostStack, days: float = 60, request: str = "", loaded: str = "AB", why: str = "") -> HostState:
    assert stack.acme
    now, found = int(time.time()), seen()
    end = now + int(days * DAY) + 60
    lies = [f"request {request or stack.acme.request}", f"startdate {end - 90 * DAY}", f"enddate {end}", "is AB"]
    found.answers |= {"acme.lies": lies, "acme.loaded": [loaded], "acme.why": [why] if why else []}
    return found


def row(stack: HostStack, found: HostState) -> CheckResult:
    (one,) = doctor.checks(stack, stack.acme, found)
    assert (one.check, one.about, one.vantage) == ("certificate", "lk1", "lk1")
    return one


def test_one_that_is_renewed_in_time_is_well(stack: HostStack) -> None:
    found = row(stack, look(stack))
    assert found.result is Result.OK
    assert found.said.startswith("ends on ")
    assert found.said.endswith(", in 60 days")


def test_one_that_is_another_than_asked_for_has_failed_with_the_cas_reason(stack: HostStack) -> None:
    found = row(stack, look(stack, request="0123", why="429 :: rateLimited"))
    assert found.result is Result.FAILED
    names = "lk.example.org, lk1.turn.example.org"
    url = "https://acme-v02.api.letsencrypt.org/directory"
    assert found.said == f"there is no certificate of {url} for {names} (429 :: rateLimited)"
    assert "livekit-acme" in found.remedy


def test_one_that_has_ended_or_is_not_served_has_failed(stack: HostStack) -> None:
    assert row(stack, look(stack, days=-1)).result is Result.FAILED
    found = row(stack, look(stack, loaded="CD"))
    assert (found.result, found.remedy) == (Result.FAILED, "deploy")


def test_a_renewal_that_failed_is_a_note(stack: HostStack) -> None:
    found = row(stack, look(stack, days=20, why="connection refused"))
    assert found.result is Result.NOTE
    assert found.said.startswith(
        "a certificate was not to be had (connection refused); the one that is served ends on "
    )
    assert found.remedy == "journalctl -u livekit-acme.service"
    assert row(stack, look(stack, days=20)).result is Result.NOTE, "nobody renews it"


def test_the_doctor_and_status_ask_where_there_is_acme_only(stack: HostStack, single: Site, cluster: Site) -> None:
    assert "acme.lies" in dict(queries.needs(stack).queries)
    assert "acme.lies" not in dict(queries.needs(single.for_host("lk1")).queries)
    assert "acme.lies" not in dict(facts.needs(cluster, cluster.for_host("lk1")).queries)


def test_status_says_how_it_is(stack: HostStack) -> None:
    found = look(stack, why="connection refused")
    found.answers["livekit.occupancy"] = ["active x", "end"]
    said = facts.of(stack, found).certificate
    assert said.startswith("a certificate was not to be had (connection refused); the one that is served ends on ")
    assert "certificate   a certificate was not" in shown(facts.of(stack, found))
