"""Who may call, whom, and what is heard."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from testinfra.host import Host

from livekit_metal.call.access import Access
from tests.sip.conftest import real, up
from tests.sip.phone import Phone, answers
from tests.sip.slots import serving, shown
from tests.support.hosts.deploys import deploy, variant
from tests.support.hosts.lab import INVENTORY, ROOT, Lab

Ring = Callable[..., Phone]


def test_a_call_is_answered_and_each_side_hears_the_other(access: Access, phone: Ring) -> None:
    """The room's tone comes back from the phone: it made both ways."""

    async def scenario() -> None:
        async with up(access, one := phone(hold=6), "hotline") as line:
            assert await one.over() == 0, one.errors()
            assert one.heard() == ["answered", "hung up"]
            if line:
                assert line.seconds > 4, line.seconds

    asyncio.run(scenario())


def test_a_stranger_gets_no_answer_at_all(lab: Lab, phone: Ring) -> None:
    outside = lab.facts["outside"]
    netns = ("ip", "netns", "exec", outside["namespace"])
    one = phone(local=outside["address"], prefix=netns, within=4)
    assert asyncio.run(one.over()) != 0
    assert one.statuses() == []
    same = phone(local=outside["address"], prefix=netns, within=4, transport="t1")
    assert asyncio.run(same.over()) != 0
    assert same.statuses() == []


def test_a_number_that_is_not_the_trunk_s_is_refused(phone: Ring) -> None:
    one = phone(number="+15559999", within=5)
    assert asyncio.run(one.over()) != 0
    assert one.statuses() == [404]


def test_a_call_over_tcp_is_answered(access: Access, phone: Ring) -> None:
    async def scenario() -> None:
        async with up(access, one := phone(hold=3, transport="t1"), "hotline"):
            assert await one.over() == 0, one.errors()

    asyncio.run(scenario())


def test_whoever_must_log_in_needs_the_password(lab: Lab, access: Access, phone: Ring, tmp_path: Path) -> None:
    if not real():
        pytest.skip("the stand-in knows no passwords: run it with livekit-sip itself (make test-media)")
    store = [".venv/bin/python", "-m", "procedures.secrets", INVENTORY, "set", "sip-office"]
    subprocess.run(store, cwd=ROOT, input="right password", text=True, check=True, capture_output=True)
    gateway = lab.facts["gateway"]
    trunk = {"networks": [f"{gateway}/32"], "numbers": ["+15550102"], "user": "office"}
    more = {"trunks": {"office": trunk}, "rules": {"office": {"trunks": ["office"], "room": "office"}}}
    assert deploy(variant(tmp_path, {"sip": more})).status == 0

    async def scenario() -> None:
        wrong = phone(number="+15550102", user="office", password="wrong", within=5)
        assert await wrong.over() != 0
        assert wrong.statuses()[-1] in (401, 403, 407), wrong.statuses()
        assert 200 not in wrong.statuses()
        right = phone(number="+15550102", user="office", password="right password", hold=3)
        async with up(access, right, "office"):
            assert await right.over() == 0, right.errors()

    try:
        asyncio.run(scenario())
    finally:
        assert deploy().status == 0


def test_who_sends_too_much_gets_no_answer_for_a_while(first: Host, phone: Ring) -> None:
    """Last: it takes seconds until this machine is answered again."""
    target = phone(number="+15559999", within=5)
    asyncio.run(target.over())
    assert target.statuses() == [404]
    assert 0 < answers(target, 1000) < 500, "the first are answered, then nobody is"
    assert shown(first, "livekit-kamailio.service", "NRestarts") == "0"

    async def again() -> None:
        end = asyncio.get_running_loop().time() + 40
        while True:
            one = phone(number="+15559999", within=2)
            await one.over()
            if one.statuses() == [404]:
                return
            assert asyncio.get_running_loop().time() < end, "it never answers again"

    asyncio.run(again())
    assert serving(first)
