"""Streams into LiveKit from encoders that are not LiveKit's, and a change of ingress under one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.call.report import Gap, Report
from livekit_metal.roles.ingress.settings import Settings
from tests.support.calls.background_call import unnoticed
from tests.support.calls.control import untouched_server
from tests.support.calls.slots import ended
from tests.support.calls.whip import whip
from tests.support.hosts.deploys import deploy, unchanging, variant
from tests.support.hosts.lab import Lab, lab, over_ssh
from tests.support.programs.streams import PICTURES, SETTLES, Seen, Watch, encoder, ingress, state

SERVING = lab().site.with_role("ingress")
SECONDS = 6.0  # that a stream is watched


def units(host: str, state: str) -> list[str]:
    """The slots of ingress on a host that are in ``state``."""
    listed = f"systemctl list-units --plain --no-legend --state={state} '{Settings.unit.format('*')}'"
    return [line.split()[0] for line in over_ssh(host).check_output(listed).splitlines()]


def streams(host: str, unit: str) -> int:
    """How many streams a slot says it has."""
    ingress = lab().site.for_host(host).ingress
    assert ingress is not None
    port = ingress.part("metrics", unit.partition("@")[2].removesuffix(".service")).first
    said = over_ssh(host).check_output(f"curl -sf http://127.0.0.1:{port}/metrics")
    return sum(int(n) for n in re.findall(r"^livekit_ingress_requests{.*} (\d+)$", said, re.MULTILINE))


def hidden(host: str) -> None:
    """Assert that other accounts of the host see no secret in the arguments of the stream's process."""
    vault = lab().site.vault
    assert vault is not None
    ask = "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '"
    everything = over_ssh(host).run(ask).stdout
    others = over_ssh(host).run(f'setpriv --reuid=65534 --regid=65534 --clear-groups sh -c "{ask}"').stdout
    assert "setpriv" not in others, others
    assert "sh -c" in others, "an account sees its own processes: else this would prove nothing"
    assert any(value in everything for value in vault.every_value()), "they are in the arguments, for root to see"
    assert not [value for value in vault.every_value() if value in others]


def whole(seen: Seen) -> None:
    """Assert that sound and pictures arrived all the time."""
    assert not list(seen.sound.problems()), seen.sound.table()
    assert seen.pictures > PICTURES / 2 * seen.sound.seconds, f"{seen.pictures} pictures, {seen.sound.table()}"


@pytest.fixture
def changed(tmp_path: Path) -> Iterator[Path]:
    """An inventory that needs a new slot of ingress; the site's own is deployed again in the end."""
    yield variant(tmp_path, {"ingress": {"log_level": "debug"}})
    assert deploy().status == 0


@pytest.fixture
def hurried(tmp_path: Path) -> Iterator[Path]:
    """The same, and the replaced slot has ten seconds."""
    yield variant(tmp_path, {"ingress": {"log_level": "debug", "drain": {"deadline": "10s"}}}, "hurried")
    assert deploy().status == 0


@pytest.fixture
def deaf(tmp_path: Path) -> Iterator[Path]:
    """An inventory with which a slot cannot have its port for media, of which ingress says nothing."""
    nowhere = {"rtc_config": {"interfaces": {"includes": ["nosuch0"]}}}
    yield variant(tmp_path, {"ingress": {"extra": nowhere}}, "deaf")
    assert deploy().status == 0


@pytest.fixture
def untouched(lab: Lab) -> Iterator[Access]:
    with untouched_server(lab) as access:
        yield access


def test_whip_reaches_the_room(access: Access) -> None:
    """As it is, which is how LiveKit takes WHIP unless asked otherwise: by the slot's own media port."""

    async def scenario() -> Seen:
        async with ingress(access, "WHIP") as made, whip(made.url, made.stream_key) as resource:
            assert made.stream_key in resource
            async with Watch(access, made) as watch:
                await asyncio.sleep(SECONDS)
                return await watch.stop()

    whole(asyncio.run(scenario()))


def test_a_key_that_nobody_made_is_refused(access: Access) -> None:
    async def scenario() -> None:
        async with ingress(access, "WHIP") as made:
            with pytest.raises(AssertionError, match="says 404"):
                async with whip(made.url, "nosuchkey"):
                    pass

    asyncio.run(scenario())


def test_rtmp_goes_on_through_a_change_of_ingress(
    access: Access, untouched: Access, changed: Path, tmp_path: Path
) -> None:
    """And while it is there: no other account sees its secrets. The next stream goes to the new slot.

    What a machine this small does to a stream, which is decoded and encoded on it, is more than it does to a call. So
    the stream is its own control too: through a deploy that finds nothing to do.
    """
    host, (before,) = SERVING[0], units(SERVING[0], "active")

    async def scenario() -> tuple[Seen, Seen, Gap, Report]:
        async with Call(untouched) as control, ingress(access, "RTMP") as made:
            with encoder(tmp_path, f"{made.url}/{made.stream_key}"):
                async with Watch(access, made) as watch:
                    hidden(host)
                    await asyncio.sleep(SETTLES)
                    await asyncio.to_thread(unchanging)
                    own = watch.gap()
                    told = await asyncio.to_thread(deploy, changed)
                    assert told.status == 0, told.text
                    assert re.search(r"slot \w+ drains: 1 streams, until", told.text), told.text
                    assert units(host, "deactivating") == [before], "the stream holds its slot"
                    (after,) = units(host, "active")
                    async with ingress(access, "RTMP") as other:
                        with encoder(tmp_path, f"{other.url}/{other.stream_key}"):
                            async with Watch(access, other) as second:
                                assert (streams(host, before), streams(host, after)) == (1, 1)
                                await asyncio.sleep(SECONDS)
                                new = await second.stop()
                    assert (await state(access, made)).state.status == made.state.ENDPOINT_PUBLISHING
                    return await watch.stop(), new, own, await control.stop()

    seen, new, own, control = asyncio.run(scenario())
    print(f"largest gap of the stream through a deploy with nothing to do: {own.ms:.0f} ms")
    whole(new)
    whole(seen)
    unnoticed(seen.sound, replace(control, largest_gap_ms=max(own.ms, control.largest_gap_ms)))
    ended(host, before)


@pytest.mark.long
def test_at_the_deadline_of_a_drain_a_stream_is_ended_in_an_orderly_way(
    access: Access, hurried: Path, tmp_path: Path
) -> None:
    """LiveKit is told, nothing had to be killed, and the encoder that connects again reaches the new slot."""
    host, (before,) = SERVING[0], units(SERVING[0], "active")

    async def scenario() -> None:
        async with ingress(access, "RTMP") as made:
            url = f"{made.url}/{made.stream_key}"
            with encoder(tmp_path, url) as sending:
                async with Watch(access, made):
                    told = await asyncio.to_thread(deploy, hurried)
                    assert told.status == 0, told.text
                    await asyncio.to_thread(ended, host, before)
                await asyncio.to_thread(sending.wait, 30)
                assert (await state(access, made)).state.status != made.state.ENDPOINT_PUBLISHING
            with encoder(tmp_path, url):
                async with Watch(access, made):
                    (after,) = units(host, "active")
                    assert streams(host, after) == 1

    asyncio.run(scenario())
    assert "status=9/KILL" not in over_ssh(host).check_output("journalctl -u %s -n 50 -o cat --no-pager", before)


@pytest.mark.long
def test_a_slot_that_lacks_one_of_its_ports_never_serves(deaf: Path) -> None:
    (before,) = units(SERVING[0], "active")
    told = deploy(deaf)
    assert told.status > 0
    assert re.search(
        r"ready: timed out after 30 s waiting for: slot \w+ has its ports \(it does not listen on \d+\)", told.text
    )
    assert "Traceback" not in told.text
    assert units(SERVING[0], "active") == [before], "what served goes on, and the candidate is gone"
