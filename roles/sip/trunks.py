"""Trunks and rules as an inventory declares them. None of them may be a catch-all."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import REQUIRED, Checked, option
from livekit_metal.core.types.text import Text

_NUMBER = re.compile(r"[+0-9A-Za-z._-]{1,64}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
# What goes into a header or a URI of Kamailio's as it is: nothing that ends one.
_ADDRESS = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?")
_USER = re.compile(r"[A-Za-z0-9._+@-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound(Checked):
    """Calls that LiveKit makes through this trunk (CreateSIPParticipant with its outbound trunk)."""

    address: str = option(REQUIRED, "host or host:port that takes the calls")
    transport: Literal["auto", "udp", "tcp", "tls"] = option("auto", "how they are signalled")
    numbers: tuple[str, ...] = option((), "numbers that the calls may come from; empty: those of the trunk")
    user: str = option("", "user for the carrier's challenge; its password is the secret sip-TRUNK-outbound")

    def problems(self, path: str) -> Iterator[Problem]:
        if not _ADDRESS.fullmatch(self.address):
            yield Problem(f"{path}.address", f"{self.address!r} is not host:port", "write sip.example.org or 192.0.2.5")
        yield from _numbers(self.numbers, f"{path}.numbers")
        yield from _user(self.user, f"{path}.user")


@dataclass(frozen=True, slots=True, kw_only=True)
class Register(Checked):
    """A carrier that sends calls only to who has registered: Kamailio does it, livekit-sip cannot."""

    registrar: str = option(REQUIRED, "host or host:port of the carrier's registrar")
    user: str = option(REQUIRED, "user to register as; its password is the secret sip-TRUNK-register")
    domain: str = option("", "domain of the user; empty: the registrar's host")
    expires: int = option(600, "seconds a registration holds; it is renewed before")

    @property
    def realm_host(self) -> str:
        return self.domain or self.registrar.partition(":")[0]

    def problems(self, path: str) -> Iterator[Problem]:
        for name in ("registrar", "domain"):
            value = getattr(self, name)
            if value and not _ADDRESS.fullmatch(value):
                yield Problem(f"{path}.{name}", f"{value!r} is not host:port", "write sip.example.org or 192.0.2.5")
        if not self.user:
            yield Problem(f"{path}.user", "is empty", "write the user that the carrier gave you")
        yield from _user(self.user, f"{path}.user")
        if not 60 <= self.expires <= 86400:
            yield Problem(f"{path}.expires", f"is {self.expires} s", "choose 60 to 86400")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk(Checked):
    """One carrier: from where it may call, which numbers, and how it is called."""

    networks: tuple[str, ...] = option(REQUIRED, "networks the carrier signals from; nobody else gets an answer")
    media_networks: tuple[str, ...] = option((), "networks its media comes from; empty: networks")
    numbers: tuple[str, ...] = option((), "numbers that may be called through it, as the carrier sends them (To)")
    secret_numbers: bool = option(False, "read numbers, separated by blanks, from the secret sip-TRUNK-numbers")
    user: str = option("", "user that its calls must log in as; its password is the secret sip-TRUNK")
    outbound: Outbound | None = option(None, "how LiveKit calls through it")
    register: Register | None = option(None, "register with the carrier")

    def problems(self, path: str) -> Iterator[Problem]:
        if not self.networks:
            yield Problem(f"{path}.networks", "is empty", "name the networks that the carrier signals from")
        for name in ("networks", "media_networks"):
            yield from _networks(getattr(self, name), f"{path}.{name}", anywhere=name == "media_networks")
        yield from _numbers(self.numbers, f"{path}.numbers")
        yield from _user(self.user, f"{path}.user")
        if self.numbers and self.secret_numbers:
            yield Problem(f"{path}.secret_numbers", "is set and numbers are given", "drop one of them")
        called = self.numbers or self.secret_numbers or self.user
        if not called and not self.outbound:
            remedy = "set numbers, secret_numbers or user; or outbound, if it is for calls out only"
            yield Problem(path, "would take any call to any number", remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Checked):
    """Where calls go (a dispatch rule of LiveKit)."""

    trunks: tuple[str, ...] = option(REQUIRED, "names of the trunks whose calls it takes")
    numbers: tuple[str, ...] = option((), "called numbers that it takes; empty: all of its trunks")
    room: str = option("", "every call goes into this room")
    room_prefix: str = option("", "each call gets a room of its own: this and a random text")
    pin: bool = option(False, "callers must type the PIN in the secret sip-rule-NAME (digits)")
    hide_phone_number: bool = option(False, "others in the room do not see the caller's number")
    metadata: Mapping[str, Any] = option({}, "metadata of the caller's participant, beside our own mark")
    attributes: Mapping[str, Text] = option({}, "attributes of the caller's participant")

    def problems(self, path: str) -> Iterator[Problem]:
        if not self.trunks:
            remedy = "name the trunks whose calls it takes"
            yield Problem(f"{path}.trunks", "is empty, so it would take calls of every trunk", remedy)
        if bool(self.room) == bool(self.room_prefix):
            yield Problem(path, "needs exactly one of room and room_prefix", "set one of them")
        yield from _numbers(self.numbers, f"{path}.numbers")


def together(trunks: Mapping[str, Trunk], rules: Mapping[str, Rule], path: str) -> Iterator[Problem]:
    """What is wrong with trunks and rules beside each other."""
    for kind, names in (("trunks", trunks), ("rules", rules)):
        for name in names:
            if not _NAME.fullmatch(name):
                remedy = "use up to 31 lower-case letters, digits and dashes"
                yield Problem(f"{path}.{kind}.{name}", "is not a name for it", remedy)
    for name, rule in rules.items():
        for i, trunk in enumerate(rule.trunks):
            if trunk not in trunks:
                known = ", ".join(trunks) or "none"
                yield Problem(f"{path}.rules.{name}.trunks[{i}]", f"{trunk!r} is not a trunk", f"known here: {known}")
            elif not (trunks[trunk].numbers or trunks[trunk].secret_numbers or trunks[trunk].user):
                remedy = f"give trunks.{trunk} numbers or a user, or drop it here"
                yield Problem(f"{path}.rules.{name}.trunks[{i}]", f"{trunk} is for calls out only", remedy)
    yield from _overlaps(trunks, path)
    owners: dict[str, str] = {}
    for name, one in trunks.items():
        for number in one.numbers:
            if (first := owners.setdefault(number, name)) != name:
                fact = f"{number} is also one of {first}"
                yield Problem(f"{path}.trunks.{name}.numbers", fact, "give each number to one trunk")


def _overlaps(trunks: Mapping[str, Trunk], path: str) -> Iterator[Problem]:
    """Who calls is told by the network, so one network may not lie in another trunk's."""
    seen: list[tuple[str, ipaddress.IPv4Network]] = []
    for name, trunk in trunks.items():
        for network in map(_network, trunk.networks):
            if network is None:
                continue
            for other, before in seen:
                if other != name and network.overlaps(before) and network != before:
                    fact = f"{network} overlaps {before} of {other}"
                    yield Problem(f"{path}.trunks.{name}.networks", fact, "write them apart, or alike in both")
            seen.append((name, network))


def _network(text: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text)
    except ValueError:
        return None


def _networks(networks: Iterable[str], path: str, *, anywhere: bool) -> Iterator[Problem]:
    for i, text in enumerate(networks):
        if (network := _network(text)) is None:
            remedy = "write an IPv4 network such as '192.0.2.0/24' (livekit-sip knows no IPv6)"
            yield Problem(f"{path}[{i}]", f"{text!r} is not an IPv4 network", remedy)
        elif network.prefixlen == 0 and not anywhere:
            yield Problem(f"{path}[{i}]", "is everybody", "name the networks that the carrier signals from")


def is_number(text: str) -> bool:
    """Whether ``text`` may be called: nothing that Kamailio or LiveKit take for more than one number."""
    return _NUMBER.fullmatch(text) is not None


def _numbers(numbers: Iterable[str], path: str) -> Iterator[Problem]:
    for i, number in enumerate(numbers):
        if not is_number(number):
            yield Problem(
                f"{path}[{i}]", f"{number!r} is not a number", "write it as the carrier sends it: +4930123456"
            )


def _user(user: str, path: str) -> Iterator[Problem]:
    if user and not _USER.fullmatch(user):
        yield Problem(path, f"{user!r} is not a user of SIP", "use letters, digits and . _ + @ -")
