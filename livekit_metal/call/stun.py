"""STUN messages (RFC 8489) and what TURN adds (RFC 8656, RFC 6062), as far as anything here speaks them."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import struct
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

Address = tuple[str, int]

_COOKIE = 0x2112A442
_HEADER = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")
HEADER = _HEADER.size
_INDICATION, _SUCCESS, _ERROR = 0x010, 0x100, 0x110


class Method(IntEnum):
    """The type of a request; an indication, a success and an error have other bits as well."""

    BINDING = 0x001
    ALLOCATE = 0x003
    REFRESH = 0x004
    SEND = 0x006 | _INDICATION
    DATA = 0x007 | _INDICATION
    CREATE_PERMISSION = 0x008
    CHANNEL_BIND = 0x009
    CONNECT = 0x00A


class Attribute(IntEnum):
    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    CHANNEL_NUMBER = 0x000C
    LIFETIME = 0x000D
    XOR_PEER_ADDRESS = 0x0012
    DATA = 0x0013
    REALM = 0x0014
    NONCE = 0x0015
    XOR_RELAYED_ADDRESS = 0x0016
    REQUESTED_TRANSPORT = 0x0019
    XOR_MAPPED_ADDRESS = 0x0020


@dataclass(frozen=True, slots=True)
class Message:
    """``kind`` is the message type as it is on the wire."""

    kind: int
    transaction: bytes
    attributes: tuple[tuple[int, bytes], ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> Message:
        """Raises ValueError for what is no STUN message."""
        if len(data) < HEADER:
            raise ValueError("shorter than a STUN header")
        kind, length, cookie, transaction = _HEADER.unpack_from(data)
        if cookie != _COOKIE or kind >> 14 or len(data) != HEADER + length:
            raise ValueError("no STUN message")
        return cls(kind, transaction, tuple(_attributes(data[HEADER:])))

    def get(self, attribute: Attribute) -> bytes:
        """Its first value, b'' without one."""
        return next((value for name, value in self.attributes if name == attribute), b"")

    @property
    def refusal(self) -> int:
        """The number of the error that it is, 0 for anything else."""
        value = self.get(Attribute.ERROR_CODE) if self.kind & _ERROR == _ERROR else b""
        return value[2] * 100 + value[3] if len(value) >= 4 else 0

    @property
    def answers(self) -> bool:
        """Whether it is the answer to a request, good or bad."""
        return bool(self.kind & _SUCCESS)

    def peers(self) -> Iterator[Address]:
        """Every address that it speaks of."""
        for name, value in self.attributes:
            if name == Attribute.XOR_PEER_ADDRESS:
                yield unmask(value, self.transaction)

    def signed_by(self, key: bytes) -> bool:
        """Whether it carries a MESSAGE-INTEGRITY that ``key`` makes."""
        before: list[tuple[int, bytes]] = []
        for name, value in self.attributes:
            if name == Attribute.MESSAGE_INTEGRITY:
                return hmac.compare_digest(value, _digest(self.kind, self.transaction, before, key))
            before.append((name, value))
        return False

    def success(self, key: bytes, *attributes: tuple[int, bytes]) -> bytes:
        return signed(self.kind | _SUCCESS, self.transaction, attributes, key)

    def error(self, code: int, *attributes: tuple[int, bytes]) -> bytes:
        value = struct.pack("!HBB", 0, *divmod(code, 100))
        return packed(self.kind | _ERROR, self.transaction, ((Attribute.ERROR_CODE, value), *attributes))


def key(username: str, realm: str, password: str) -> bytes:
    """What signs messages by long-term credentials (RFC 8489, 9.2.2)."""
    return hashlib.md5(f"{username}:{realm}:{password}".encode(), usedforsecurity=False).digest()


def packed(kind: int, transaction: bytes, attributes: Iterable[tuple[int, bytes]]) -> bytes:
    """A message as it goes on the wire."""
    body = b"".join(_ATTRIBUTE.pack(name, len(value)) + value + bytes(-len(value) % 4) for name, value in attributes)
    return _HEADER.pack(kind, len(body), _COOKIE, transaction) + body


def _digest(kind: int, transaction: bytes, attributes: Iterable[tuple[int, bytes]], key: bytes) -> bytes:
    """MESSAGE-INTEGRITY: over all before it, with a length that counts it."""
    size = hashlib.sha1(usedforsecurity=False).digest_size
    before = packed(kind, transaction, (*attributes, (Attribute.MESSAGE_INTEGRITY, bytes(size))))
    return hmac.digest(key, before[: -size - _ATTRIBUTE.size], "sha1")


def signed(kind: int, transaction: bytes, attributes: Collection[tuple[int, bytes]], key: bytes) -> bytes:
    """A message that ends with its MESSAGE-INTEGRITY."""
    digest = _digest(kind, transaction, attributes, key)
    return packed(kind, transaction, (*attributes, (Attribute.MESSAGE_INTEGRITY, digest)))


def mask(address: Address, transaction: bytes) -> bytes:
    """The value of an XOR-…-ADDRESS attribute."""
    host = ipaddress.ip_address(address[0])
    return _address(host.version, address[1], host.packed, transaction)


def unmask(value: bytes, transaction: bytes) -> Address:
    """Raises ValueError for what is no address."""
    if len(value) not in (8, 20):
        raise ValueError("no address")
    plain = _address(4 if len(value) == 8 else 6, int.from_bytes(value[2:4]), value[4:], transaction)
    return str(ipaddress.ip_address(plain[4:])), int.from_bytes(plain[2:4])


def _address(version: int, port: int, host: bytes, transaction: bytes) -> bytes:
    pad = _COOKIE.to_bytes(4) + transaction
    hidden = bytes(a ^ b for a, b in zip(host, pad, strict=False))
    return struct.pack("!xBH", 1 if version == 4 else 2, port ^ _COOKIE >> 16) + hidden


def _attributes(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(body):
        name, length = _ATTRIBUTE.unpack_from(body, at)
        at += _ATTRIBUTE.size
        yield name, body[at : at + length]
        at += length + (-length % 4)
