"""A call in a process of its own: what its end of the pipe says, and what becomes of one that says nothing."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from pathlib import Path

import pytest

from livekit_metal.call.access import Access
from livekit_metal.call.errors import CallError
from tests.unit.tools.test_upgrade_judge import CALL
from tests.upgrade.client import Client
from tests.upgrade.report import WholeReport

ACCESS = Access(url="ws://127.0.0.1:1", api_key="key", api_secret="secret")
UP = 'print(\'{"up": "room"}\', flush=True)'


def taken(monkeypatch: pytest.MonkeyPatch, *lines: str) -> WholeReport:
    """What a call was like whose program is ``lines`` of Python."""
    monkeypatch.setattr(Client, "PROGRAM", (sys.executable, "-c", "\n".join(("import sys", *lines))))

    async def call() -> WholeReport:
        async with Client(ACCESS, "room", "udp", "lk1") as client:
            return await client.stop()

    return asyncio.run(call())


def test_it_is_told_what_to_do_and_tells_what_it_was_like(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given, report = tmp_path / "given", json.dumps(dataclasses.asdict(CALL))
    read = f"open({str(given)!r}, 'w').write(sys.stdin.readline())"
    assert taken(monkeypatch, read, UP, "sys.stdin.readline()", f"print({report!r})") == CALL
    told = json.loads(given.read_text())
    assert (told["room"], told["path"], told["through"]) == ("room", "udp", "lk1")
    assert Access.parse(told["access"], "access") == ACCESS


def test_a_call_that_does_not_come_up_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    said = json.dumps({"failed": ["connect", "nobody is there", "see whether it runs"]})
    with pytest.raises(CallError, match="call: connect: nobody is there; see whether it runs"):
        taken(monkeypatch, "sys.stdin.readline()", f"print({said!r})")


@pytest.mark.parametrize("lines", [(), ("sys.stdin.readline()", UP)])
def test_a_program_that_ends_is_a_failed_call(monkeypatch: pytest.MonkeyPatch, lines: tuple[str, ...]) -> None:
    with pytest.raises(CallError, match="a client has ended by itself"):
        taken(monkeypatch, *lines)


def test_a_program_that_says_nothing_is_a_failed_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.upgrade.client.COMES_UP", 0.1)
    with pytest.raises(CallError, match="a client said nothing"):
        taken(monkeypatch, "sys.stdin.read()")  # ends with the pipe


def test_the_program_itself_says_what_is_wrong() -> None:
    async def call() -> None:
        async with Client(ACCESS, through="lk9"):
            pass

    with pytest.raises(CallError, match="call: access: no host 'lk9'"):
        asyncio.run(call())
