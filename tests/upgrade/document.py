"""docs/call-safety.md: a part for each size of site, written when that was measured whole."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata

from livekit_metal.call.report import MAY_MISS
from livekit_metal.roles.livekit.settings import Settings as Livekit
from tests.support.hosts.lab import ROOT, lab, over_ssh
from tests.upgrade import conversations, judge, messages, pictures
from tests.upgrade.ground import Ground
from tests.upgrade.judge import Outcome

FILE = "docs/call-safety.md"
_PACKAGES = "dpkg-query -W -f '${Package} ${Version}\n' haproxy redis-server"
_SYSTEM = ". /etc/os-release; echo $PRETTY_NAME; systemctl --version | sed -n '1s/ (.*//p'"
_TEXT = """\
# What a change does to a call

Written by `python -m tests.upgrade --write` from what it measured; do not edit.

## The promise

A deploy drops no call. The process that carries a call keeps running until the call ends; only new sessions go to the
new one.

In numbers, for every row below:

- the largest gap in the sound is at most {limit:.0f} ms, or {factor} times the largest gap of a control call where that
  is more; in the video {video:.0f} ms ({factor} pictures), in the same way;
- of sound and of video, at most {missing:.0f} s is missing in all, or {factor} times what the control call misses;
- no reliable data message is lost, and none comes twice;
- no client reconnects, joins again or loses a track, also not one that entered through another host than the one its
  room is on, when that host is changed.

## How it was measured

Each row is a call of {seconds:.0f} s or more: a publisher and a subscriber, on the native SDK, in a room put on a slot
of the first host. Its media goes over UDP, as the SDK prefers (*any way*), or by one way and no other: UDP, ICE over
TCP, TURN over UDP on 3478 and on 443, TURN over TLS on 443 (rows of one change were one deploy under all these calls).

- **Sound**: a tone that steps through four frequencies, one each 20 ms; the subscriber counts new steps. Sound that a
  receiver invents while packets are missing does not count, and a step counts from when WebRTC had it ready, also where
  the client's program took it later (decision 057).
- **Video**: {fps} pictures of {width}x{height} a second (VP8), each with its number in it; the subscriber counts those
  with a number that is new. One that is shown again does not count.
- **Data messages**: {messages} a second of each kind, numbered. A *reliable* one must arrive, if late; of *lossy* ones
  the table says how many did not. *slowest* is the longest that one of either kind was on its way.
- **Packets lost**, of sound and video together, are what the subscriber's own WebRTC counts.

A control call with all of that goes on at the same time through a livekit-server on the same machine that nobody
touches; its gaps are the machine's own. The table has the call's figure first, then the control's (`31 / 32`), and for
gaps the limit (`31 / 32 / 100`). A row during which the machine lost sound or a reliable message of the control call
is measured again. One with too long a gap, and nothing else, is measured twice more: all three are in the table, and
only if neither of the later two is over the limit was the first an *outlier* (on two shared cores, a program that did
nothing but sleep was late by 148 ms once in an hour).

The change is made as an operator makes it, by pyinfra as a program; what it changed is there when the next row begins.
After it, the room must be where it was, both clients must be the same participants to the server, new rooms must be on
the new process, and the old one must end by itself after the call.

What is *FAILED* breaks the promise, and is to be mended.

*activation* is what the deploy's own table says about each host's turn; nothing is asserted about it.

## Repeat it

    make test-upgrade                            # prints the table; removes its lab
    .venv/bin/python -m tests.upgrade --write    # writes this page too

`--hosts 3` takes a site of one size only, `config upgrade` those rows only, `--seconds 20` is a quick look.
"""
_PART = """\
## {title}

- date: {date}
- machine: Linux {kernel}, {cores} cores, {arch}; hosts, clients and control server share it
- hosts: {system} in systemd containers, {packages}
- livekit-server {livekit} (built from its Go module), client SDK livekit {sdk}, pyinfra {pyinfra}

{table}
"""
_TITLES = {1: "One host", 3: "Three hosts"}


@dataclass(frozen=True)
class Site:
    """What was measured on."""

    system: str  # of the hosts
    packages: str
    livekit: str

    @classmethod
    def of(cls, ground: Ground) -> Site:
        host = over_ssh(ground.first)
        packages = ", ".join(host.check_output(_PACKAGES).splitlines())
        return cls(", ".join(host.check_output(_SYSTEM).splitlines()), packages, lab().site.of(Livekit).release)


def text(parts: Mapping[int, str], seconds: float = 60, agents: str = "") -> str:
    """The page; ``parts`` by the number of hosts, then what was measured of ``agents``."""
    head = _TEXT.format(
        limit=judge.LIMIT,
        video=judge.VIDEO_LIMIT,
        factor=judge.FACTOR,
        missing=MAY_MISS,
        seconds=seconds,
        fps=pictures.PER_SECOND,
        width=pictures.WIDTH,
        height=pictures.HEIGHT,
        messages=messages.PER_SECOND,
    )
    return "\n".join([head, *(parts[size] for size in sorted(parts)), *([agents] if agents else [])])


def part(size: int, outcomes: Sequence[Outcome], site: Site) -> str:
    """What was measured on a site of ``size`` hosts, and on what."""
    return _PART.format(
        title=_TITLES[size],
        date=_today(),
        kernel=platform.release().partition("-")[0],
        cores=os.cpu_count(),
        arch=platform.machine(),
        system=site.system,
        packages=site.packages,
        livekit=site.livekit,
        sdk=metadata.version("livekit"),
        pyinfra=metadata.version("pyinfra"),
        table=judge.markdown(outcomes),
    )


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()


def parts(page: str) -> dict[int, str]:
    """The parts of a page that was written before."""
    found = {}
    for size, title in _TITLES.items():
        _, _, rest = page.partition(f"## {title}\n")
        if rest:
            found[size] = f"## {title}\n" + rest.partition("\n## ")[0].rstrip() + "\n"
    return found


def again(before: str, outcomes: Sequence[Outcome]) -> str:
    """A part with rows that were measured again in the place of theirs, and a line that says which."""
    new = judge.markdown(outcomes).splitlines()[2:]
    rows = {_row(line) for line in new}
    lines = before.splitlines()
    at = next((n for n, line in enumerate(lines) if _row(line) in rows), len(lines))
    lines = [*lines[:at], *new, *(line for line in lines[at:] if _row(line) not in rows)]
    changes = ", ".join(dict.fromkeys(f"{o.change} ({o.path})" for o in outcomes))
    lines.insert(lines.index("", 2), f"- measured again on {_today()}: {changes}")
    return "\n".join(lines) + "\n"


def _row(line: str) -> tuple[str, ...]:
    """Change, hosts and path of a line of the table; empty for other lines."""
    return tuple(line.split(" | ")[:3]) if line.startswith("| ") else ()


def write(measured: Mapping[int, Sequence[Outcome]], site: Site, *, whole: bool = True) -> None:
    """Write the page again; a size that was not measured keeps its part, and without ``whole`` other rows stay."""
    file = ROOT / FILE
    page = file.read_text()
    old = parts(page)
    new = {size: part(size, each, site) if whole else again(old[size], each) for size, each in measured.items()}
    file.write_text(text(old | new, agents=conversations.kept(page)))
