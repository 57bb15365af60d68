"""Which failure explains which: the doctor names the cause, and what follows from it as such.

A check stands on others: when one of those fails, its own failure tells nothing new. Pure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from livekit_metal.core.check_result import BAD, CheckResult, Result
from livekit_metal.site.loading import every_role

MEDIA = ("udp", "tcp", "turn-udp", "turn-udp-443", "turn-tls", "across")
QUALITY = ("loss", "throughput", "round-trip", "jitter")
_SERVICE = ("slot", "edge", "backup", "signalling", "join", "refused", "turn", *MEDIA)

# What a check that fails explains, on the same host; the order is from the ground up. Whatever is about the site is
# explained by a failure on any host.
_EXPLAINS: dict[str, tuple[str, ...]] = {
    "reach": ("peer", "redis", "bus", "targets", "segment", "closed", "ipv6", "tls", *_SERVICE),
    "ipv6-route": ("ipv6",),
    "firewall": ("peer", "bus", "tls", "ipv6", *_SERVICE),
    "rules": MEDIA,  # each row says itself what it may be to blame for
    "cores": ("signalling", "join", "throughput", "round-trip", "jitter", *MEDIA),  # who waits for a core is late
    "hairpin": ("turn-udp", "turn-udp-443", "turn-tls"),
    "conntrack": ("bus", "peer", "tls", *_SERVICE),
    "redis": ("bus", "targets", *_SERVICE),
    "bus": _SERVICE,
    "keys": ("join", "refused", *MEDIA),
    "node_ip": MEDIA,
    "public": MEDIA,
    # what the other end of an older connection sends is lost; below 1280 the kernel takes IPv6 off the interface
    "mtu": ("segment", "address", "ipv6", *_SERVICE),
    "slot": ("edge", "backup", "signalling", "join", "refused", "targets", *MEDIA),
    "edge": ("peer", "backup", "tls", "signalling", "join", "refused", "targets", *MEDIA),
    "peer": ("backup", "targets", "across"),
    "tls": ("signalling", "join", "refused", *MEDIA),
    "signalling": ("join", "refused", *MEDIA),
    "join": ("refused", *MEDIA),
    # what loses packets of sound alone carries little for that reason; what is slow, and does not, is late
    "loss": ("throughput", "round-trip", "jitter", *MEDIA),
    "throughput": ("round-trip", "jitter", *MEDIA),
    "round-trip": ("jitter",),
    "turn-cert": ("turn-tls",),
    "udp-443": ("turn-udp-443",),
    "turn-udp": ("turn-udp-443",),
    "udp": ("across",),
    "tcp": ("across",),
}
# A daemon beside livekit-server has a check of its role's name; it says itself what explains that.
_DAEMONS = {role.name: role.explained_by for role in every_role() if role.slots and role.reports}
EXPLAINS = {
    cause: (
        *rows,
        *(
            QUALITY if "udp" in rows and cause not in (*QUALITY, "cores") else ()
        ),  # what keeps calls from being heard makes them bad
        *(name for name, causes in _DAEMONS.items() if cause in causes),
    )
    for cause, rows in _EXPLAINS.items()
} | dict.fromkeys(_DAEMONS, ("targets",))
_EVERYWHERE = ("redis",)  # there is one for all hosts


def attribute(rows: Sequence[CheckResult]) -> list[CheckResult]:
    """The same rows; failures that another one explains are FOLLOWS, and suspects that explain the rest are FAILED."""
    left = [row for row in _attributed(rows) if row.result in BAD]
    return _attributed([_accused(row, left) for row in rows])


def _accused(row: CheckResult, left: Sequence[CheckResult]) -> CheckResult:
    """A suspect is the cause where something is bad that nothing else explains."""
    guilty = row.suspect and any(_explains(row, other) for other in left)
    return dataclasses.replace(row, result=Result.FAILED, suspect=False) if guilty else row


def _attributed(rows: Sequence[CheckResult]) -> list[CheckResult]:
    # a host in maintenance takes no sessions, on purpose: a note, and the cause of what others see of it
    causes = [row for row in rows if row.result in BAD or (row.check, row.result) == ("slot", Result.NOTE)]
    return [_follows(row, causes) if row.result in BAD else row for row in rows]


def _follows(row: CheckResult, bad: Iterable[CheckResult]) -> CheckResult:
    cause = next((other for other in _deepest_first(bad) if other is not row and _explains(other, row)), None)
    return row if cause is None else dataclasses.replace(row, result=Result.FOLLOWS, because=cause.name)


def _deepest_first(bad: Iterable[CheckResult]) -> list[CheckResult]:
    order = list(EXPLAINS)
    return sorted((row for row in bad if row.check in EXPLAINS), key=lambda row: order.index(row.check))


def _explains(cause: CheckResult, row: CheckResult) -> bool:
    if row.check not in (cause.explains or EXPLAINS[cause.check]) and cause.check not in row.explained_by:
        return False
    return cause.check in _EVERYWHERE or not row.about or cause.about in row.about.split(" and ")
