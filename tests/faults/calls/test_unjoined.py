"""A room that was created and that nobody has joined yet would die with its slot: a deploy waits, and says so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.call.server import pinned
from livekit_metal.site.model import Site
from tests.faults.conftest import Change
from tests.support.calls.background_call import Talk
from tests.support.calls.slots import draining, ended, serving
from tests.support.hosts.deploys import Deploy, deploy


@pytest.fixture(autouse=True)
def _back() -> Iterator[None]:
    yield
    assert deploy().status == 0


def test_a_room_that_is_joined_while_the_deploy_waits_stays_where_it_is(
    access: Access, site: Site, change: Change
) -> None:
    name = next(iter(site.hosts))
    old = serving(site, name)
    room = asyncio.run(pinned(access, old.node))
    running = Deploy(change({"livekit": {"room": {"empty_timeout": 501}}}))
    assert running.until(lambda line: "new sessions go here" in line), "\n".join(running.lines)

    async def join() -> None:
        async with Call(access, room=room, publish_through=name, subscribe_through=name) as call:
            told = await asyncio.to_thread(running.end)
            assert told.status == 0, told.text
            assert "without waiting any longer" not in told.text
            assert draining(name) == [old.unit], "it drains, and its room is joined"
            assert (await call.where()).id == old.node
            report = await call.stop()
            assert report.ok, report.table()

    asyncio.run(join())
    ended(name, old.unit)


def test_a_room_that_nobody_joins_is_named_and_holds_nothing_up_for_ever(
    access: Access, site: Site, change: Change, talk: Talk
) -> None:
    name = next(iter(site.hosts))
    old = serving(site, name)
    room = asyncio.run(pinned(access, old.node))
    told = deploy(change({"livekit": {"room": {"empty_timeout": 502}, "drain": {"unjoined": "3s"}}}))
    assert told.status == 0, told.text
    slot = old.unit.partition("@")[2].removesuffix(".service")
    assert f'slot {slot} drains without waiting any longer for the rooms "{room}", which nobody has joined' in told.text
    assert draining(name) == [old.unit], "the talk is on it"
    talk.unnoticed()
    ended(name, old.unit)
