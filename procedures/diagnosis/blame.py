"""Which failure explains which: the doctor names the cause, and what follows from it as such.

A check stands on others: when one of those fails, its own failure tells nothing new. Pure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from procedures.diagnosis.rows import BAD, Result, Row

MEDIA = ("udp", "tcp", "turn-udp", "turn-tls", "across")
_SERVICE = ("slot", "edge", "backup", "signalling", "join", "refused", *MEDIA)

# What a check that fails explains, on the same host; the order is from the ground up. Whatever is about the site is
# explained by a failure on any host.
EXPLAINS: dict[str, tuple[str, ...]] = {
    "reach": ("peer", "redis", "bus", "targets", "segment", "closed", *_SERVICE),
    "tls": ("signalling", "join", "refused", *MEDIA),
    "conntrack": ("bus", "peer", *_SERVICE),
    "redis": ("bus", "targets", *_SERVICE),
    "bus": _SERVICE,
    "keys": ("join", "refused", *MEDIA),
    "node_ip": MEDIA,
    "mtu": ("segment", *MEDIA),
    "slot": ("edge", "backup", "signalling", "join", "refused", "targets", *MEDIA),
    "edge": ("peer", "backup", "signalling", "join", "refused", "targets", *MEDIA),
    "peer": ("backup", "targets", "across"),
    "signalling": ("join", "refused", *MEDIA),
    "join": ("refused", *MEDIA),
    "udp": ("across",),
    "tcp": ("across",),
}
_EVERYWHERE = ("redis",)  # there is one for all hosts


def blamed(rows: Sequence[Row]) -> list[Row]:
    """The same rows; failures that another one explains are FOLLOWS."""
    # a host in maintenance takes no sessions, on purpose: a note, and the cause of what others see of it
    causes = [row for row in rows if row.result in BAD or (row.check, row.result) == ("slot", Result.NOTE)]
    return [_follows(row, causes) if row.result in BAD else row for row in rows]


def _follows(row: Row, bad: Iterable[Row]) -> Row:
    cause = next((other for other in _deepest_first(bad) if other is not row and _explains(other, row)), None)
    return row if cause is None else dataclasses.replace(row, result=Result.FOLLOWS, because=cause.name)


def _deepest_first(bad: Iterable[Row]) -> list[Row]:
    order = list(EXPLAINS)
    return sorted((row for row in bad if row.check in EXPLAINS), key=lambda row: order.index(row.check))


def _explains(cause: Row, row: Row) -> bool:
    if row.check not in EXPLAINS[cause.check]:
        return False
    return cause.check in _EVERYWHERE or not row.about or cause.about in row.about.split(" and ")
