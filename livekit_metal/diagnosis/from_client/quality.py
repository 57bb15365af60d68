"""How good the ways are by which calls were heard: a row for each kind of fault, over all ways to a host. Pure.

Of faults that come together one is the cause: a way that loses packets of sound alone carries little for that reason,
and one that is slow, and loses nothing of sound alone, is late when it is full.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from livekit_metal.call.quality.figures import Figures
from livekit_metal.core.check_result import CheckResult, Result, failed
from livekit_metal.core.types.quality import Quality

LATE = 30.0  # ms that this machine's own clock may come late, for times that it measures to mean anything
WAYS = {
    "udp": "UDP",
    "tcp": "ICE over TCP",
    "turn-udp": "TURN over UDP",
    "turn-udp-443": "TURN over UDP 443",
    "turn-tls": "TURN over TLS",
}
_ELSEWHERE = "try from another network too (--data from=HOST calls from inside)"


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of fault: whether figures have it, how they read, the limit in words, what to do."""

    bad: Callable[[Figures, Quality], bool]
    said: Callable[[Figures, Quality], str]
    limit: Callable[[Quality], str]
    remedy: str
    times: bool = True  # measured by this machine's clock


def _slow(figures: Figures, quality: Quality) -> bool:
    return not figures.whole and figures.rate_kbps < quality.rate_kbps


def _rate(figures: Figures, quality: Quality) -> str:
    if figures.whole:
        return f"{figures.rate_kbps:.0f} kbit/s and more"
    # who cannot get rid of it is held up on the way there, who can is not heard on the way back
    return f"{figures.rate_kbps:.0f} kbit/s {'up' if figures.sent_kbps < quality.rate_kbps else 'down'}"


KINDS: Mapping[str, _Kind] = {  # what explains the others comes first
    "loss": _Kind(
        lambda figures, quality: max(figures.loss_up, figures.loss_down) > quality.loss,
        lambda figures, _: f"{figures.loss_up:.1f} % up, {figures.loss_down:.1f} % down",
        lambda quality: f"sound stands {quality.loss:g} %",
        f"see the network between (a bad link, a full queue) and the host's receive errors (netstat -su); {_ELSEWHERE}",
        times=False,
    ),
    "throughput": _Kind(
        _slow,
        _rate,
        lambda quality: f"a call needs {quality.rate_kbps:g}",
        f"see what the link between carries, and who else fills or limits it (tc, a policer); {_ELSEWHERE}",
    ),
    "round-trip": _Kind(
        lambda figures, quality: figures.round_trip_ms > quality.round_trip_ms,
        lambda figures, _: f"{figures.round_trip_ms:.0f} ms",
        lambda quality: f"people talk into each other from {quality.round_trip_ms:g} ms on",
        f"see the route (mtr), or give these people a host nearer to them; {_ELSEWHERE}",
    ),
    "jitter": _Kind(
        lambda figures, quality: figures.jitter_ms > quality.jitter_ms,
        lambda figures, _: f"{figures.jitter_ms:.0f} ms",
        lambda quality: f"clients' buffers take {quality.jitter_ms:g} ms",
        f"see whose queue fills and empties on the way, such as that of a wireless link; {_ELSEWHERE}",
    ),
}


def poor(figures: Figures, quality: Quality) -> bool:
    """Whether anything is worse than it may be."""
    return any(kind.bad(figures, quality) for kind in KINDS.values())


def rows(about: str, here: str, measured: Mapping[str, Figures], quality: Quality) -> list[CheckResult]:
    """The rows about a host, from what calls by each way have measured."""
    if not measured:
        return []
    return [dataclasses.replace(_row(name, measured, quality), about=about, vantage=here) for name in KINDS]


def _row(name: str, measured: Mapping[str, Figures], quality: Quality) -> CheckResult:
    kind = KINDS[name]
    bad = {way: one for way, one in measured.items() if kind.bad(one, quality)}
    late = {way: one for way, one in bad.items() if kind.times and one.late_ms > LATE}
    if judged := {way: one for way, one in bad.items() if way not in late}:
        return failed(name, "", "", f"{_words(kind, judged, quality)}; {kind.limit(quality)}", kind.remedy)
    row = CheckResult(check=name, vantage="", said=_words(kind, measured, quality))
    if late:
        most = max(one.late_ms for one in late.values())
        said = f"{row.said}, by a clock that came {most:.0f} ms late itself"
        remedy = "nothing is known of the way: make the calls from a machine with less to do"
        return dataclasses.replace(row, result=Result.NOTE, said=said, remedy=remedy)
    return row


def _words(kind: _Kind, measured: Mapping[str, Figures], quality: Quality) -> str:
    return ", ".join(f"{kind.said(one, quality)} by {WAYS[way]}" for way, one in measured.items())
