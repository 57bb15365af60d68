"""Trunks as an inventory declares them. None of them may be a catch-all by accident."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import REQUIRED, Checked, option
from livekit_metal.core.types.duration import Duration
from livekit_metal.roles.sip import numbers
from livekit_metal.roles.sip.numbers import Pattern
from livekit_metal.roles.sip.shared import Mapped

# What goes into a header or a URI of Kamailio's as it is: nothing that ends one.
_ADDRESS = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?")
_PRIVATE = tuple(
    map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8"))
)
_USER = re.compile(r"[A-Za-z0-9._+@-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound(Mapped):
    """Calls that LiveKit makes through this trunk (CreateSIPParticipant with its outbound trunk)."""

    address: str = option(REQUIRED, "host or host:port that takes the calls")
    transport: Literal["auto", "udp", "tcp", "tls"] = option("auto", "how they are signalled")
    numbers: tuple[str, ...] = option((), "numbers that the calls may come from; empty: those of the trunk")
    user: str = option("", "user for the carrier's challenge; its password is the secret sip-TRUNK-outbound")
    via: Literal["auto", "kamailio", "slot"] = option(
        "auto",
        "kamailio: by its port and its public address; slot: straight from the slot's own port; "
        "auto: kamailio, but for TLS without kamailio.certificate",
    )

    def more_problems(self, path: str) -> Iterator[Problem]:
        if not _ADDRESS.fullmatch(self.address):
            yield Problem(f"{path}.address", f"{self.address!r} is not host:port", "write sip.example.org or 192.0.2.5")
        yield from numbers.problems(self.numbers, f"{path}.numbers", exact=True)
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
class Trunk(Mapped):
    """One carrier: from where it may call, which numbers, and how it is called."""

    networks: tuple[str, ...] = option(REQUIRED, "networks the carrier signals from; nobody else gets an answer")
    media_networks: tuple[str, ...] = option((), "networks its media comes from; empty: networks")
    hosts: tuple[str, ...] = option((), "hosts that take its calls and register with it; empty: all with the role sip")
    numbers: tuple[str, ...] = option(
        (),
        "what may be called through it, as the carrier sends it (To): numbers, prefixes (+4930123*), ranges "
        "(+4930123400-99); empty with private networks alone: any",
    )
    any_number: bool = option(False, "any number may be called, by everybody who uses the same public networks")
    secret_numbers: bool = option(False, "read numbers, separated by blanks, from the secret sip-TRUNK-numbers")
    user: str = option("", "user that its calls must log in as; its password is the secret sip-TRUNK")
    ringing_timeout: Duration | None = option(None, "seconds that a call may ring")
    call_timeout: Duration | None = option(None, "seconds that a call may last (max_call_duration)")
    krisp: bool | None = option(None, "noise cancellation for callers (LiveKit Cloud)")
    outbound: Outbound | None = option(None, "how LiveKit calls through it")
    register: Register | None = option(None, "register with the carrier")

    @property
    def private(self) -> bool:
        """Whether nobody of the internet can signal from its networks."""
        found = [network(text) for text in self.networks]
        return bool(found) and all(one is not None and any(one.subnet_of(each) for each in _PRIVATE) for one in found)

    @property
    def takes_any(self) -> bool:
        """Whether any number may be called through it, without a password too."""
        if self.numbers:
            return any(pattern.any for pattern in self.patterns)
        unsaid = not (self.secret_numbers or self.user or self.outbound)
        return self.any_number or (unsaid and self.private)

    @property
    def takes_calls(self) -> bool:
        return bool(self.numbers or self.secret_numbers or self.user or self.takes_any)

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """What ``numbers`` means, without what is none."""
        return tuple(numbers.parse(text) for text in self.numbers if _sound(text))

    @property
    def exact(self) -> list[str]:
        """The numbers that stand there one by one."""
        return [pattern.text for pattern in self.patterns if pattern.kind == "exact"]

    @property
    def enumerated(self) -> bool:
        """Whether LiveKit can be told its numbers one by one; it has a single trunk for all others."""
        return self.secret_numbers or (bool(self.numbers) and not any(p.kind == "prefix" for p in self.patterns))

    def more_problems(self, path: str) -> Iterator[Problem]:
        if not self.networks:
            yield Problem(f"{path}.networks", "is empty", "name the networks that the carrier signals from")
        for name in ("networks", "media_networks"):
            yield from _networks(getattr(self, name), f"{path}.{name}", anywhere=name == "media_networks")
        yield from numbers.problems(self.numbers, f"{path}.numbers")
        yield from _user(self.user, f"{path}.user")
        for name in ("secret_numbers", "any_number"):
            if self.numbers and getattr(self, name):
                yield Problem(f"{path}.{name}", "is set and numbers are given", "drop one of them")
        if self.any_number and self.secret_numbers:
            yield Problem(f"{path}.any_number", "is set and secret_numbers too", "drop one of them")
        for name in ("ringing_timeout", "call_timeout"):
            if getattr(self, name) == 0:
                yield Problem(f"{path}.{name}", "is 0", "choose a second or more, or leave it out")
        if len(numbers.tag(self.patterns)) > numbers.LONGEST:
            remedy = "write ranges and prefixes where there can be some"
            yield Problem(f"{path}.numbers", "are more than Kamailio can hold for a network", remedy)
        yield from self._open(path)
        if self.outbound:
            yield from self._beyond(self.outbound, f"{path}.outbound.address")
            if not (self.outbound.numbers or self.secret_numbers or self.exact):
                # SIPOutboundTrunkInfo.ValidateResult: "no trunk numbers specified" (livekit/protocol, livekit/sip.go)
                remedy = "write the numbers that its calls come from, one by one"
                yield Problem(f"{path}.outbound.numbers", "is empty, and LiveKit refuses such a trunk", remedy)

    def _open(self, path: str) -> Iterator[Problem]:
        fact = "would take any call to any number"
        if self.takes_any and self.numbers and not self.private:
            remedy = "name its numbers; if that is meant, set any_number in place of numbers"
            yield Problem(f"{path}.numbers", f"{fact}, from networks that are not private", remedy)
        if not self.takes_calls and not self.outbound:
            remedy = "set numbers, secret_numbers or user; or outbound, if it is for calls out only; or any_number"
            yield Problem(path, fact, remedy)

    def _beyond(self, out: Outbound, path: str) -> Iterator[Problem]:
        address = network(out.address.partition(":")[0])
        known = [one for one in map(network, self.networks) if one]
        if address and not any(address.subnet_of(one) for one in known):
            remedy = "add it to networks: what comes from elsewhere is dropped, the carrier's BYE too"
            yield Problem(path, f"{address.network_address} is in none of the trunk's networks", remedy)


def network(text: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text)
    except ValueError:
        return None


def _networks(networks: Iterable[str], path: str, *, anywhere: bool) -> Iterator[Problem]:
    for i, text in enumerate(networks):
        if (found := network(text)) is None:
            remedy = "write an IPv4 network such as '192.0.2.0/24' (livekit-sip knows no IPv6)"
            yield Problem(f"{path}[{i}]", f"{text!r} is not an IPv4 network", remedy)
        elif found.prefixlen == 0 and not anywhere:
            yield Problem(f"{path}[{i}]", "is everybody", "name the networks that the carrier signals from")


def _sound(text: str) -> bool:
    try:
        numbers.parse(text)
    except ValueError:
        return False
    return True


def _user(user: str, path: str) -> Iterator[Problem]:
    if user and not _USER.fullmatch(user):
        yield Problem(path, f"{user!r} is not a user of SIP", "use letters, digits and . _ + @ -")
