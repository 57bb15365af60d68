"""net.ipv4.ip_local_reserved_ports: the site's ports and those that somebody else reserved before us. Pure.

The kernel has one list and does not know who put what on it. Our file on the host does: one line says what we found
there at first, another the whole list as we set it. What is on the kernel's list but not in that line was added by
others since. So nothing of theirs is lost, also where it overlaps ours and we move away; what they have given up
stays reserved, which costs them a few ports for outgoing connections and nobody a service.
"""

from __future__ import annotations

from collections.abc import Iterable

from livekit_metal.core.ports import PortRange, merged, without


def parse(text: str) -> tuple[PortRange, ...]:
    """The kernel's notation: ``7880,50000-60000``, or nothing."""
    return tuple(PortRange.parse(part) for part in text.strip().split(",") if part)


def text(ranges: Iterable[PortRange]) -> str:
    return ",".join(map(str, merged(ranges)))


def others(in_force: str, found: str, written: str) -> tuple[PortRange, ...]:
    """What is reserved for others: ``found`` at first, and what is ``in_force`` beyond the list we have ``written``."""
    return merged((*parse(found), *without(parse(in_force), parse(written))))
