"""What a look tells about the kernel's keys beyond their values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from livekit_metal.core import shell
from livekit_metal.core.ports import PortRange
from livekit_metal.roles.kernel.settings import FILE, RESERVED
from livekit_metal.runtime.host.state import HostState

PROBE = "kernel.keys"

_PROBE = shell.program(__file__, "kernel")
_OTHERS = "# Reserved by others: "


@dataclass(frozen=True, slots=True)
class Observed:
    module: bool
    locked: frozenset[str]
    found: str  # ports that were reserved when we first came
    written: str  # the whole list as we last set it
    later: tuple[tuple[str, str, str], ...]  # file, key, value
    relays: tuple[PortRange, ...] = ()  # also those from before a change, as long as the firewall knows them


def plain(value: str) -> str:
    """A value with single blanks: the kernel separates by tabs, files as they like."""
    return " ".join(value.split())


def probe(names: Iterable[str], rules: str, relays: str) -> tuple[str, str]:
    """The probe for the keys ``names``; ``rules`` and ``relays`` as in Settings."""
    names = tuple(names)
    slashed, dotted = (name.replace(".", "/") for name in names), (name.replace(".", "[./]") for name in names)
    named = relays.replace("/", r"\/") or "none"
    return PROBE, shell.given(_PROBE, " ".join(slashed), "|".join(dotted), _OTHERS, named, rules)


def observed(seen: HostState) -> Observed:
    """The probe's answer."""
    module, locked, found, written = False, set(), "", ""
    later: list[tuple[str, str, str]] = []
    relays: list[PortRange] = []
    for line in seen.answers[PROBE]:
        file, _, text = line.partition(":")
        name, _, value = text.partition("=")
        name = name.strip(" \t-").replace("/", ".")
        if line == "module":
            module = True
        elif line.startswith("relays "):
            relays.append(PortRange.parse(line.removeprefix("relays ")))
        elif line.startswith("locked "):
            locked.add(line.removeprefix("locked ").replace("/", "."))
        elif file == FILE and text.startswith(_OTHERS):
            found = text.removeprefix(_OTHERS).replace("none", "")
        elif file == FILE and name == RESERVED:
            written = value.strip()
        elif _name(file) > _name(FILE):
            later.append((file, name, plain(value)))
    return Observed(module, frozenset(locked), found, written, tuple(later), tuple(relays))


def _name(file: str) -> str:
    """sysctl.d is read in the order of the names, whatever the directory; the last word counts."""
    return file.rsplit("/", 1)[1]
