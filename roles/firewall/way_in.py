"""The way by which a deploy comes to a host, and whether the rules would let it in afresh.

A new SSH connection through a tunnel that ends on the host itself (or through a jump host on it) proves nothing: what
carries it is established and goes on, while the tunnel's next handshake would find its port closed. So the carrier
counts: its port must be among those that the inventory opens, and while the confirming login is made, each packet to it
is judged by the new rules as if there had been none before. Pure, but for the question and the texts for hosts.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

from livekit_metal.core import shell
from livekit_metal.core.foreign import RAW, given_up
from livekit_metal.core.ports import PortRange, Proto, Reach, merged
from livekit_metal.roles.firewall.rules import rules
from livekit_metal.roles.firewall.settings import TABLE, Settings
from livekit_metal.runtime.host.listeners import LINKS, TUNNELS, Listener, kinds, parse
from livekit_metal.runtime.host.state import HostState

NAME = "firewall.way"
FRESH_TABLE = f"{TABLE}_fresh"  # while the confirming login is made

QUERY = (NAME, "\n".join((LINKS, shell.program(__file__, "connection", "way_in"))))


@dataclass(frozen=True, slots=True)
class WayIn:
    """``device`` is '' for a way that ends at the host's hardware; ``through`` what the device is made of, in words."""

    device: str = ""
    through: str = ""
    raw: str = ""  # the protocol that it travels in, where that has no ports
    own: tuple[Listener, ...] = ()  # where it is known: sockets of whoever made the device
    others: tuple[Listener, ...] = ()  # everything that listens, for other hosts too
    clients: PortRange = PortRange(1, 1)  # which ports clients get

    def __bool__(self) -> bool:
        return bool(self.device)


@dataclass(frozen=True, slots=True)
class Carriers:
    """What may carry the way in: ports as nft writes them, protocols by number."""

    tcp: tuple[str, ...] = ()
    udp: tuple[str, ...] = ()
    raw: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tcp or self.udp or self.raw)


def way_in(seen: HostState) -> WayIn:
    """The way of this connection. One whose source is hidden counts as each tunnel that there is."""
    said = [line.partition(" ") for line in seen.answers[NAME]]
    told = {word: text for word, _, text in said}
    device, _, kind_of_route = told.get("dev", "").partition(" ")
    links = kinds(seen.answers[NAME])
    default = {text for word, _, text in said if word == "default"}
    kind = links.get(device, "")
    if policy := _policy(told.get("from", ""), (text for word, _, text in said if word == "ipsec_from")):
        return WayIn(device or "IPsec", f"IPsec for {policy}", raw="esp")
    if kind_of_route == "local" or device == "lo":
        device, through = "lo", "the host itself"
    elif kind in TUNNELS:
        through = f"{device} ({kind})"
    elif kind == "bridge" and device not in default:
        through = f"{device} (a bridge of this host's own)"
    elif "from" in told and not device and (tunnels := [name for name, each in links.items() if each in TUNNELS]):
        device, through = tunnels[0], f"{', '.join(tunnels)}, or none of them: where this login comes from is hidden"
        kind = ""
    else:
        return WayIn()
    listeners = [one for one in parse(text for word, _, text in said if word == "socket") if _for_others(one)]
    makers = {text for word, _, text in said if word == "process"}
    own = [one for one in listeners if one.process in makers]
    if kind == "wireguard":
        port = told.get("port", "")
        own = [one for one in listeners if one.proto is Proto.UDP and not one.program and port in ("", str(one.port))]
    first, last = map(int, told["span"].split())
    return WayIn(device, through, TUNNELS.get(kind, ""), tuple(own), tuple(listeners), PortRange(first, last))


def refused(settings: Settings, way: WayIn) -> str:
    """Why the rules would close the way that this deploy comes by, with what opens it; '' when they would not."""
    if not way:
        return ""
    where = f"you come in by {way.through}, a tunnel that ends on this host"
    lost = "which the rules would close: it goes on while it is established, and its next handshake gets no answer"
    if way.raw:
        if any(each.covers(way.raw) for each in settings.open):
            return ""
        kept: dict[str, object] = {"proto": way.raw, "purpose": way.device}
        return f"firewall.open: {where} and travels in {way.raw}, {lost}; add {kept}"
    if not way.own or any(_opened(settings, each) for each in way.own):
        return ""
    first = min(way.own, key=lambda each: (each.proto is not Proto.UDP, each.port))
    kept = {"port": first.port, "proto": str(first.proto), "purpose": first.program or way.device}
    return f"firewall.open: {where} at {first} ({first.program or 'the kernel'}), {lost}; add {kept}"


def carriers(settings: Settings, way: WayIn) -> Carriers:
    """Everything that may carry the way in; of a tunnel whose maker is not known, every listener that is not ours.

    Nothing where the rules filter nothing (``firewall.mode: none``): a first packet passes as any other.
    """
    if not way or not settings.filters:
        return Carriers()
    if way.raw:
        return Carriers(raw=(RAW[way.raw],))
    found = [one for one in way.own or way.others if _may_carry(settings, way, one)]
    numbers = {proto: {PortRange(one.port, one.port) for one in found if one.proto is proto} for proto in Proto}
    if way.device == "lo" and not way.own:
        numbers[Proto.TCP].add(PortRange(settings.ssh_port, settings.ssh_port))  # ssh -L, or a jump by the host itself
    every = () if way.own or way.device == "lo" else tuple(RAW.values())
    return Carriers(_written(numbers[Proto.TCP]), _written(numbers[Proto.UDP]), every)


def fresh_table(settings: Settings, what: Carriers) -> str:
    """A table that has the carriers' packets judged as the first ones: before the rules, and without their state.

    What the rules would let in goes on to them, the rest is dropped. Connection tracking sees every packet, so that a
    connection that goes on afterwards is in order.
    """
    new = rules(settings)
    admitted = [
        'iif "lo" accept',
        *(f'iifname "{name}" accept' for name in new.trusted),
        *(statement for _, statement in new.openings),
        *(
            f"{word} saddr {{ {', '.join(found)} }} tcp dport {settings.ssh_port} accept"
            for word, found in (("ip", new.admin.v4), ("ip6", new.admin.v6))
            if found
        ),
    ]
    carried = [
        *(
            f"{proto} dport {{ {', '.join(ports)} }}"
            for proto, ports in (("tcp", what.tcp), ("udp", what.udp))
            if ports
        ),
        *([f"meta l4proto {{ {', '.join(map(str, what.raw))} }}"] if what.raw else []),
    ]
    head = (
        f"table inet {FRESH_TABLE}\ndelete table inet {FRESH_TABLE}\ntable inet {FRESH_TABLE} {{\n    chain input {{\n"
    )
    lines = [
        "type filter hook input priority filter - 10; policy accept;",
        *admitted,
        *(f'{each} counter drop comment "not admitted as new"' for each in carried),
    ]
    return head + "".join(f"        {line}\n" for line in lines) + "    }\n}\n"


def _written(ports: Iterable[PortRange]) -> tuple[str, ...]:
    return tuple(map(str, merged(ports)))


def _for_others(one: Listener) -> bool:
    return not one.for_the_host_alone


def _opened(settings: Settings, one: Listener) -> bool:
    number = PortRange(one.port, one.port)
    return any(each.covers(one.proto, number) for each in settings.open) or any(
        port.proto is one.proto and port.range.overlaps(number) and port.reach in (Reach.PUBLIC, Reach.ADMIN)
        for port in settings.ports
    )


def _may_carry(settings: Settings, way: WayIn, one: Listener) -> bool:
    """Not the site's own, not a client's socket (its answers need their state), not a container's published port."""
    number = PortRange(one.port, one.port)
    ours = any(port.proto is one.proto and port.range.overlaps(number) for port in settings.ports)
    if ours or one.program == "docker-proxy":
        return False
    if one in way.own:
        return True
    named = any(given_up(entry, one.proto, one.port, one.program) for entry in settings.closed)
    listens = one.proto is Proto.TCP or not one.program or not way.clients.overlaps(number)
    return listens or named or _opened(settings, one)


def _policy(source: str, selectors: Iterable[str]) -> str:
    """The selector of IPsec's policies for what comes in that has ``source`` in it; one for everybody is a socket's."""
    if not source:
        return ""
    address = ipaddress.ip_address(source)
    for selector in selectors:
        network = ipaddress.ip_network(selector, strict=False)
        if network.prefixlen and address in network:
            return selector
    return ""
