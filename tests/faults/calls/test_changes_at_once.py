"""Changes while an earlier one still drains: a second one, one that finds no slot, and the way back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from testinfra.host import Host

from livekit_metal.call.access import Access
from livekit_metal.site.model import Site
from tests.support.calls.background_call import Talk, talking
from tests.support.calls.slots import draining, ended, serving
from tests.support.hosts.deploys import Deploy, Told, deploy, unchanging, variant

ROLLBACK = "procedures/rollback.py"


@pytest.fixture
def back(site: Site, first: Host) -> Iterator[None]:
    """The site as it was, and nothing held against any generation."""
    yield
    first.check_output(f"rm -rf {site.paths.config}/livekit/rejected")
    assert deploy().status == 0


@pytest.fixture
def versions(tmp_path: Path) -> list[Path]:
    """Four inventories, each of which needs a slot of its own."""
    return [variant(tmp_path, {"livekit": {"room": {"empty_timeout": 401 + n}}}, f"v{n}") for n in range(4)]


def rollback(inventory: Path, *words: str) -> Told:
    return Deploy(inventory, *words, plan=ROLLBACK).end()


def _timeout(first: Host, site: Site) -> str:
    """The setting by which the versions differ, as the serving process has it."""
    unit = serving(site, next(iter(site.hosts))).unit
    words = first.check_output(f"tr '\\0' '\\n' < /proc/$(systemctl show -p MainPID --value {unit})/cmdline").split()
    text = first.check_output("grep -v '^#' %s", words[words.index("--config") + 1])
    return str(json.loads(text)["room"]["empty_timeout"])


Talking = Callable[[str], AbstractContextManager[Talk]]


@pytest.fixture
def talking_on(access: Access, control: Access, site: Site) -> Talking:
    """Makes a call in a room on the given node, through the first host."""
    return lambda node: talking(access, control, node, next(iter(site.hosts)))


@pytest.mark.usefixtures("back")
def test_a_rollback_needs_no_drain_to_end_and_a_fourth_version_finds_no_slot(
    talking_on: Talking, site: Site, first: Host, versions: list[Path], untouched: AbstractContextManager[None]
) -> None:
    name = next(iter(site.hosts))
    zero = serving(site, name)
    with talking_on(zero.node) as oldest:
        assert deploy(versions[0]).status == 0
        one = serving(site, name)
        with talking_on(one.node) as middle:
            assert deploy(versions[1]).status == 0
            two = serving(site, name)
            assert sorted(draining(name)) == sorted([zero.unit, one.unit])
            with talking_on(two.node) as newest:
                with untouched:
                    deploy(versions[2]).refused("no slot is empty", "draining", "status.py")
                    told = rollback(versions[1])
                    assert told.status > 0
                    assert "no slot is empty" in told.text
                oldest.unnoticed()
                ended(name, zero.unit)
                told = rollback(versions[1], "--data", "why=no sound in the left ear")
                assert told.status == 0, told.text
                assert _timeout(first, site) == "401", "what served before"
                assert two.unit in draining(name)
                deploy(versions[1]).refused("was rolled back by", "no sound in the left ear", "--data accept=")
                assert _timeout(first, site) == "401"
                newest.unnoticed()
            ended(name, two.unit)
            accepted = next(w for w in deploy(versions[1]).text.split() if w.startswith("accept="))
            told = deploy(versions[1], "--data", accepted)
            assert told.status == 0, told.text
            assert _timeout(first, site) == "402"
            unchanging(versions[1])
            middle.unnoticed()


@pytest.mark.usefixtures("back")
def test_without_an_earlier_generation_there_is_nothing_to_go_back_to(
    site: Site, first: Host, versions: list[Path]
) -> None:
    told = rollback(versions[3])
    assert told.status > 0
    assert "was never deployed here" in told.text
    first.check_output(f"mv {site.paths.config}/livekit/served {site.paths.config}/served")
    assert deploy(versions[3]).status == 0
    told = rollback(versions[3])
    assert told.status > 0
    assert "no other generation has served here" in told.text
    first.check_output(
        f"cp -an {site.paths.config}/served {site.paths.config}/livekit/; rm -r {site.paths.config}/served"
    )
