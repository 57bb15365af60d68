"""What the doctor asks TURN's own port, what a forced way counts, and that a call is judged with the way to itself."""

from __future__ import annotations

import asyncio
from typing import Any

from livekit_metal.call.quality.figures import Traffic
from livekit_metal.call.relay import Udp, relay
from livekit_metal.call.stun import Message, Method, packed
from livekit_metal.diagnosis.from_client import turn_port
from livekit_metal.diagnosis.from_client.calls import AT_ONCE, Turns
from tests.support.programs.server import run


class Turn(asyncio.DatagramProtocol):
    """Answers every request of STUN but each ``lost``-th."""

    def __init__(self, lost: int = 0) -> None:
        self._lost, self._count = lost, 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        asked = Message.parse(data)
        assert asked.kind == Method.BINDING
        self._count += 1
        if not self._lost or self._count % self._lost:
            self._transport.sendto(b"no STUN at all", address)
            self._transport.sendto(packed(Method.BINDING | 0x100, b"x" * 12, ()), address)  # of somebody else
            self._transport.sendto(packed(Method.BINDING | 0x100, asked.transaction, ()), address)


def answered(lost: int = 0, *, closed: bool = False) -> str:
    async def test() -> str:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: Turn(lost), local_addr=("127.0.0.1", 0))
        port = transport.get_extra_info("sockname")[1]
        if closed:
            transport.close()
        try:
            return await turn_port.answered([f"turn:turn.test:{port}?transport=udp"], {"turn.test": "127.0.0.1"})
        finally:
            transport.close()

    said: str = run(test)
    return said


def test_a_port_of_turn_that_answers_is_told_with_how_often() -> None:
    assert answered().startswith("10 of 10 requests are answered at 127.0.0.1:")
    assert answered(lost=2).startswith("5 of 10 requests")


def test_a_port_that_says_nothing_is_told_as_nothing() -> None:
    assert answered(lost=1) == ""
    assert answered(closed=True) == ""


def test_a_forced_way_counts_nothing_before_anything_goes_by_it() -> None:
    async def test() -> Traffic:
        counted = Traffic()
        async with relay(Udp(), {"127.0.0.1"}, counted) as server:
            assert server.url.startswith("turn:127.0.0.1:")
        return counted

    assert run(test) == Traffic(sent=0, back=0)


def test_a_call_that_is_judged_by_itself_has_the_way_alone() -> None:
    async def test() -> list[str]:
        turns, said, together = Turns(), list[str](), asyncio.Event()

        async def one(name: str) -> None:
            async with turns.one():
                said.append(name)
                await together.wait()

        async def alone(name: str) -> None:
            async with turns.alone():
                said.append(name)
                await asyncio.sleep(0)
                said.append(f"{name} ends")

        tasks = [asyncio.create_task(one(f"together {i}")) for i in range(AT_ONCE)]
        tasks += [asyncio.create_task(alone(name)) for name in ("first", "second")]
        await asyncio.sleep(0.05)
        assert len(said) == AT_ONCE, "who is to be alone waits for the others"
        together.set()
        await asyncio.gather(*tasks)
        return said[AT_ONCE:]

    assert run(test) == ["first", "first ends", "second", "second ends"]
