"""Whether a host can be the place from which calls are made: its Python, and the way to its own public address.

And what the site itself lets one say.
"""

from __future__ import annotations

import dataclasses
import subprocess

import pytest

from livekit_metal.core.errors import Problem
from livekit_metal.core.ports import PortRange
from livekit_metal.roles.preflight.queries import HAIRPIN, probes
from livekit_metal.roles.preflight.settings import Settings
from livekit_metal.site.model import Site
from tests.roles.preflight.test_preflight import host, said


@pytest.fixture
def settings(cluster: Site) -> Settings:
    found = cluster.for_host("lk2").preflight
    return dataclasses.replace(found, calls="host", hairpin="203.0.113.12", media=PortRange(50000, 50003))


@pytest.mark.parametrize("python", ["3.11", "3.13", ""])
def test_a_python_that_does_is_no_finding(settings: Settings, python: str) -> None:
    assert said(settings, host(python=[python] if python else [])) == []


def test_a_python_that_is_too_old_stops(settings: Settings) -> None:
    text = "livekit.probe: a call needs Python 3.11, lk2 has 3.10; use controller"
    assert said(settings, host(python=["3.10"])) == [(text, True)]
    assert said(dataclasses.replace(settings, calls=""), host(python=["3.10"])) == []


def test_a_public_address_that_leads_nowhere_from_inside_stops(settings: Settings) -> None:
    fact = "livekit.probe: what lk2 sends to its public address 203.0.113.12 does not come back (no hairpin NAT)"
    assert (f"{fact}; use controller or peer", True) in said(settings, host(hairpin=["lost"]))
    alone = dataclasses.replace(settings, peers=())
    assert (f"{fact}; use controller", True) in said(alone, host(hairpin=["lost"], peers=[]))


@pytest.mark.parametrize("answer", [[], ["back"]], ids=["cannot tell", "comes back"])
def test_only_a_certain_no_stops(settings: Settings, answer: list[str]) -> None:
    assert said(settings, host(hairpin=answer)) == []


def test_nothing_is_asked_where_calls_are_made_elsewhere(settings: Settings) -> None:
    asked = dict(probes(settings))
    assert "203.0.113.12 50000 50003" in asked["preflight.hairpin"]
    assert "python3" in asked["preflight.python"]
    elsewhere = dict(probes(dataclasses.replace(settings, calls="", hairpin="")))
    assert (elsewhere["preflight.hairpin"], elsewhere["preflight.python"]) == (":", ":")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param("127.0.0.2", "back\n", id="comes back"),  # as a NAT that leads it back would have it
        pytest.param("192.0.2.1", "lost\n", id="does not"),  # TEST-NET-1: nobody's
    ],
)
def test_the_question_itself(address: str, expected: str) -> None:
    command = ["perl", "-e", HAIRPIN, address, "40000", "40099"]
    assert subprocess.check_output(command, text=True) == expected


def test_what_the_site_itself_shows_is_told_and_stops_nothing(settings: Settings) -> None:
    note = Problem("lk2: firewall.admin", "lets everybody in", "narrow it")
    assert said(dataclasses.replace(settings, notes=(note,)), host()) == [(str(note), False)]
