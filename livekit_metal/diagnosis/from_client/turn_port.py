"""Whether anybody answers at the port of TURN over UDP: STUN, which a TURN server answers without a password."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from typing import Any

from livekit_metal.call import stun
from livekit_metal.call.stun import Message, Method

_REQUESTS, _APART, _WAITS = 10, 0.05, 0.5  # s


class _Answers(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.asked: set[bytes] = set()
        self.came: set[bytes] = set()

    def datagram_received(self, data: bytes, _: Any) -> None:
        try:
            message = Message.parse(data)
        except ValueError:
            return
        if message.answers and message.transaction in self.asked:
            self.came.add(message.transaction)

    def error_received(self, _: Exception) -> None:
        pass  # an ICMP message: that nothing is answered is told by the count


async def answered(urls: Iterable[str], names: dict[str, str]) -> str:
    """How many requests were answered at the first ``turn:`` URL where any was, in words; '' where none was."""
    for url in urls:
        name, _, port = url.removeprefix("turn:").partition("?")[0].rpartition(":")
        host = names.get(name, name).strip("[]")
        if came := await _count(host, int(port)):
            return f"{came} of {_REQUESTS} requests are answered at {host}:{port}"
    return ""


async def _count(host: str, port: int) -> int:
    loop, answers = asyncio.get_running_loop(), _Answers()
    try:
        transport, _ = await loop.create_datagram_endpoint(lambda: answers, remote_addr=(host, port))
    except OSError:
        return 0
    try:
        for _ in range(_REQUESTS):
            answers.asked.add(transaction := secrets.token_bytes(12))
            transport.sendto(stun.packed(Method.BINDING, transaction, ()))
            await asyncio.sleep(_APART)  # several at once would be lost together
        async with asyncio.timeout(_WAITS):
            while len(answers.came) < _REQUESTS:
                await asyncio.sleep(_APART)
    except TimeoutError:
        pass  # those that came count
    finally:
        transport.close()
    return len(answers.came)
