"""The last word of this layer: what was broken is mended."""

from __future__ import annotations

import asyncio

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from tests.support.hosts.deploys import unchanging
from tests.support.hosts.lab import Lab


def test_a_deploy_finds_nothing_to_do() -> None:
    unchanging()


def test_a_call_is_heard(lab: Lab) -> None:
    async def call() -> None:
        async with Call(Access.load(lab.directory / "access.json")) as running:
            await asyncio.sleep(3)  # the call's own length: media has to flow for a while
            report = await running.stop()
        assert report.ok, report.table()

    asyncio.run(call())
