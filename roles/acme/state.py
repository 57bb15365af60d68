"""The certificate that a host has got by ACME, as a look shows it."""

from __future__ import annotations

import time

from livekit_metal.core import shell
from livekit_metal.roles.acme.settings import TIMER, UNIT, Settings
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.slots import active_slot
from livekit_metal.vault.certificate import DAY, day

_OVERDUE = 4  # less than a fourth of its life is left; due is a third
_LIES, _WHY = (shell.program(__file__, name) for name in ("lies", "why"))


def needs(settings: Settings) -> StateQuery:
    """What to look at."""
    shown = active_slot.question(settings.active, f"show ssl cert {settings.served}")
    loaded = f"{shown} | sed -n 's/^SHA1 FingerPrint: //p'"
    probes = (
        ("acme.lies", shell.given(_LIES, settings.served)),
        ("acme.loaded", loaded),
        ("acme.why", shell.given(_WHY, UNIT)),
    )
    return StateQuery(queries=probes)


class Lies:
    """The certificate on a host, and what HAProxy has of it ('' when it reads no such file). Times are Unix time."""

    def __init__(self, seen: HostState) -> None:
        said = dict(line.split(" ", 1) for line in seen.answers.get("acme.lies", []) if " " in line)
        self.request, self.fingerprint = said.get("request", ""), said.get("is", "")
        self.begins, self.ends = (int(said.get(word, 0)) for word in ("startdate", "enddate"))
        self.loaded = "".join(seen.answers.get("acme.loaded", []))

    @property
    def left(self) -> float:
        """Seconds."""
        return self.ends - time.time()

    @property
    def words(self) -> str:
        return f"the one that is served ends on {day(self.ends)}, in {int(self.left // DAY)} days"


def warnings(seen: HostState) -> tuple[str, ...]:
    """What is to be said of a certificate that is not renewed: fact, what goes on, where to look."""
    lies, why = Lies(seen), " ".join(seen.answers.get("acme.why", []))
    if why:
        return (f"a certificate was not to be had ({why}); {lies.words}; journalctl -u {UNIT}",)
    if lies.left * _OVERDUE < lies.ends - lies.begins:
        return (f"the certificate should have been renewed by now; {lies.words}; systemctl list-timers {TIMER}",)
    return ()


def words(settings: Settings, seen: HostState) -> str:
    """How things are, in one line."""
    if Lies(seen).request != settings.request:
        return f"there is no certificate of {settings.url} for {', '.join(settings.names_here)}"
    return next(iter(warnings(seen)), Lies(seen).words)
