"""The controller is killed at each step of the machine, under a call; a plain deploy finishes, and the call goes on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from livekit_metal.site.model import Site
from tests.faults.conftest import Change
from tests.support.calls.background_call import Talk
from tests.support.calls.slots import draining, ended, serving
from tests.support.hosts.deploys import Deploy, deploy, unchanging
from tests.support.hosts.killed_deploys import settled

STEPS = (
    "check",
    "alone",  # point to … alone
    "start alone",
    "prove alone",
    "end the proof",
    "point to",
    "join",
    "ready",
    "new sessions go here",
    "Success",  # the turn is over, and nobody heard of it
)
_numbers = itertools.count(301)


@pytest.fixture(scope="module", autouse=True)
def _back() -> Iterator[None]:
    yield
    assert deploy().status == 0


@pytest.fixture
def changed(change: Change) -> Path:
    """An inventory that no slot runs yet."""
    return change({"livekit": {"room": {"empty_timeout": next(_numbers)}}})


def _reached(line: str, step: str) -> bool:
    if step == "Success":
        return "new sessions" in line
    words = line.partition("livekit: slot ")[2].partition(": ")[2]
    return words.startswith("point to") and words.endswith("alone") if step == "alone" else words.startswith(step)


@pytest.mark.parametrize("step", STEPS)
def test_a_deploy_killed_at_a_step_is_finished_by_the_next(
    step: str, changed: Path, site: Site, first: Host, talk: Talk
) -> None:
    name = next(iter(site.hosts))
    old = serving(site, name)
    running = Deploy(changed)
    assert running.until(lambda line: _reached(line, step)), "\n".join(running.lines)
    if step == "Success":
        assert running.until(lambda line: line.endswith("Success")), "\n".join(running.lines)
    running.kill()
    settled(first)
    told = deploy(changed)
    assert told.status == 0, told.text
    new = serving(site, name)
    assert new.unit != old.unit
    assert draining(name) == [old.unit], "only the call's slot is left"
    assert first.check_output(f"cat {site.paths.config}/active.map") == f"livekit {new.unit[15]}"
    unchanging(changed)
    talk.unnoticed()
    ended(name, old.unit)
