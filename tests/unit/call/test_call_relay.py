"""The relay that forces a path: what it is given goes that one way, and to nobody who was not announced."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from livekit_metal.call import stun
from livekit_metal.call.join_info import IceServer
from livekit_metal.call.relay import IceTcp, Udp, Way, relay
from livekit_metal.call.stun import Address, Attribute, Message, Method

ERROR, SUCCESS = 0x110, 0x100
WITHIN = 5.0


class Client:
    """As much of a TURN client as it takes."""

    def __init__(self, server: IceServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer

    def send(self, kind: int, *attributes: tuple[int, bytes]) -> None:
        self.writer.write(stun.packed(kind, secrets.token_bytes(12), attributes))

    def signed(
        self, kind: int, *attributes: tuple[int, bytes], peer: Address | None = None, password: str = ""
    ) -> None:
        transaction = secrets.token_bytes(12)
        about = [(Attribute.XOR_PEER_ADDRESS, stun.mask(peer, transaction))] if peer else []
        key = stun.key(self.server.username, "loopback", password or self.server.credential)
        self.writer.write(stun.signed(kind, transaction, [*about, *attributes], key))

    async def frame(self) -> bytes:
        async with asyncio.timeout(WITHIN):
            head = await self.reader.readexactly(4)
            first, length = struct.unpack("!HH", head)
            rest = length + -length % 4 if first >> 14 == 1 else length + 16
            return head + await self.reader.readexactly(rest)

    async def answer(self) -> Message:
        return Message.parse(await self.frame())


@contextlib.asynccontextmanager
async def client(way: Way, *allowed: str) -> AsyncIterator[Client]:
    async with relay(way, allowed) as server:
        port = server.url.removeprefix("turn:127.0.0.1:").partition("?")[0]
        yield Client(server, *await asyncio.open_connection("127.0.0.1", int(port)))


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Address) -> None:
        self.transport.sendto(b"udp " + data, address)


async def udp_echo() -> Address:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Echo, ("127.0.0.1", 0))
    return transport.get_extra_info("sockname")


async def tcp_echo() -> Address:
    """It speaks the frames of ICE over TCP."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                data = b"tcp " + await reader.readexactly(length)
                writer.write(struct.pack("!H", len(data)) + data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server.sockets[0].getsockname()


async def through(one: Client, to: Address) -> bytes:
    """What comes back, by a channel."""
    one.signed(Method.CHANNEL_BIND, (Attribute.CHANNEL_NUMBER, struct.pack("!HH", 0x4001, 0)), peer=to)
    bound = await one.answer()
    assert bound.kind == Method.CHANNEL_BIND | SUCCESS, bound
    async with asyncio.timeout(WITHIN):
        while True:  # the way to the peer opens meanwhile; as with ICE, what is sent before is lost
            one.writer.write(struct.pack("!HH", 0x4001, 5) + b"hello" + bytes(3))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    frame = await one.reader.readexactly(4 + 12)
                    assert frame[:2] == b"\x40\x01"
                    return frame[4 : 4 + int.from_bytes(frame[2:4])]


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 20))  # type: ignore[arg-type]


def test_packets_go_the_one_way_and_come_back() -> None:
    async def test() -> None:
        udp, tcp = await udp_echo(), await tcp_echo()
        async with client(Udp(), "127.0.0.1") as one:
            assert await through(one, udp) == b"udp hello"
        async with client(IceTcp(tcp), "127.0.0.1") as one:
            assert await through(one, udp) == b"tcp hello", "whatever address the client sends to"

    run(test)


def test_it_goes_nowhere_else() -> None:
    async def test() -> None:
        udp = await udp_echo()
        async with client(Udp(), "192.0.2.7") as one:
            one.signed(Method.CREATE_PERMISSION, peer=udp)
            assert (await one.answer()).kind == Method.CREATE_PERMISSION | ERROR

    run(test)


def test_it_serves_only_who_knows_its_password() -> None:
    async def test() -> None:
        async with client(Udp(), "127.0.0.1") as one:
            one.send(Method.ALLOCATE)
            refused = await one.answer()
            assert refused.kind == Method.ALLOCATE | ERROR
            assert refused.get(Attribute.REALM) == b"loopback"
            one.signed(Method.ALLOCATE, password="another")
            assert (await one.answer()).kind == Method.ALLOCATE | ERROR
            one.signed(Method.ALLOCATE)
            assert (await one.answer()).kind == Method.ALLOCATE | SUCCESS

    run(test)


def test_a_client_that_speaks_no_turn_is_left() -> None:
    async def test() -> None:
        async with client(Udp(), "127.0.0.1") as one:
            one.writer.write(b"GET / HTTP/1.1\r\n\r\n" + bytes(30000))
            async with asyncio.timeout(WITHIN):
                assert await one.reader.read() == b""

    run(test)


@pytest.mark.parametrize("address", [("192.0.2.7", 1), ("2001:db8::1", 65535)])
def test_addresses_are_hidden_and_found_again(address: Address) -> None:
    transaction = secrets.token_bytes(12)
    hidden = stun.mask(address, transaction)
    assert stun.unmask(hidden, transaction) == address
    said = Message.parse(stun.packed(Method.SEND, transaction, [(Attribute.XOR_PEER_ADDRESS, hidden)]))
    assert list(said.peers()) == [address]


def test_a_known_message_is_read_as_its_rfc_says() -> None:
    """RFC 5769, 2.4: a request with long-term authentication."""
    sample = bytes.fromhex(
        "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382af"
        "e382b90000"
        "0015001c662f2f3439396b39353464364f4c33346f4c394653547679363473410014000b6578616d706c652e6f726700"
        "00080014f67024656dd64a3e02b8e0712e85c9a28ca89666"
    )
    said = Message.parse(sample)
    username, realm = said.get(Attribute.USERNAME).decode(), said.get(Attribute.REALM).decode()
    assert (username, realm) == ("マトリックス", "example.org")
    assert said.signed_by(stun.key(username, realm, "TheMatrIX"))
    assert not said.signed_by(stun.key(username, realm, "another"))


@pytest.mark.parametrize("data", [b"", bytes(20), b"\x00\x01\x00\x04\x21\x12\xa4\x42" + bytes(12)])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="STUN"):
        Message.parse(data)
