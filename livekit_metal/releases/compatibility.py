"""Which versions to keep away from, which have run together, which need one in between: versions.toml as frozen data.

Contract: pure answers about versions; who asks decides what follows. A version counts by its three numbers, so a build
of one's own (1.13.7-mine) is what it was made from.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from livekit_metal.core.errors import Problem

_NUMBERS = re.compile(r"(\d+)\.(\d+)\.(\d+)")


def numbers(version: str) -> tuple[int, ...]:
    """What versions are compared by; () for a text that does not begin with three numbers."""
    found = _NUMBERS.match(version)
    return tuple(map(int, found.groups())) if found else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Versions from ``since`` up to, not including, ``before``; '' is no bound."""

    since: str = ""
    before: str = ""

    def __contains__(self, version: str) -> bool:
        at = numbers(version)
        return bool(at) and at >= numbers(self.since) and (not self.before or at < numbers(self.before))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad(Span):
    """Versions to keep away from, and where it is written why."""

    reason: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(Span):
    """What is wrong with versions that may be run all the same, in the words of who meets it."""

    means: str
    link: str


def faults(component: str, version: str = "") -> tuple[Fault, ...]:
    """Those of a release of upstream, the gravest first; all that are known without ``version``.

    A build of one's own may be mended, so nothing is known of it.
    """
    known = (Fault(**entry) for entry in _of("fault", component))
    return tuple(f for f in known if not version or (_NUMBERS.fullmatch(version) and version in f))


def bad(component: str, version: str) -> Bad | None:
    """What is wrong with a release of upstream; a build of one's own may be mended, so nothing is known of it."""
    if not _NUMBERS.fullmatch(version):
        return None
    return next((found for entry in _of("bad", component) if version in (found := Bad(**entry))), None)


def version_skip(component: str, before: str, after: str) -> Problem | None:
    """Why ``after`` must not follow ``before`` while that still runs, and what to deploy first."""
    for entry in _of("jump", component):
        start, end = Span(**entry["from"]), Span(**entry["to"])
        if before in start and after in end:
            fact = f"{before} runs, and with {after} {entry['reason']} ({entry['link']})"
            if by := entry.get("by"):
                how = f" ({entry['how']})" if "how" in entry else ""
                remedy = f"deploy {by} first{how}, and {after} when no slot runs {before} any more"
                return Problem(component, fact, remedy)
            return Problem(component, fact, f"choose {start.since} or newer")
    return None


def unknown(component: str, version: str, config: Mapping[str, Any]) -> dict[str, str]:
    """The keys of ``config``, with dots, that ``version`` does not know, and the first version that does."""
    first: Mapping[str, str] = _table()["keys"].get(component, {})
    return {k: v for k, v in first.items() if version not in Span(since=v) and _has(config, k.split("."))}


def since(component: str, key: str) -> str:
    """The oldest version that knows ``key``, where that is written; '' where it is not."""
    table: Mapping[str, str] = _table()["keys"].get(component, {})
    return table.get(key, "")


def knows(component: str, version: str, key: str) -> bool:
    """Whether ``version`` has ``key``, one of those that not every version has."""
    return version in Span(since=since(component, key))


def known(component: str, version: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """``config`` without what ``version`` does not know."""
    for key in unknown(component, version, config):
        config = _without(config, key.split("."))
    return dict(config)


def together(versions: Mapping[str, str]) -> Problem | tuple[str, ...]:
    """What is to say about ``versions`` (by component) side by side: why they cannot work, or notes (often none)."""
    for entry in _table()["needs"]:
        component, other = entry["component"], entry["needs"]
        bound = versions.get(component, "") in Span(since=entry["since"]) and other in versions
        if bound and versions[other] not in Span(since=entry["version"]):
            fact = f"{versions[component]} does not work with {other} {versions[other]} ({entry['link']})"
            return Problem(f"{component}.release", fact, f"choose {other} {entry['version']} or newer")
    sets = [(entry["versions"], entry["source"]) for entry in _table()["together"]]
    if len(versions) < 2 or any(versions.items() <= ran.items() for ran, _ in sets):
        return ()
    nearest, source = max(sets, key=lambda entry: len(versions.items() & entry[0].items()))
    return (f"{_named(versions)} are not known to have run together; {_named(nearest)} have ({source})",)


def _named(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{component} {version}" for component, version in versions.items())


def _has(config: Mapping[str, Any], key: Sequence[str]) -> bool:
    if key[0] not in config:
        return False
    inner = config[key[0]]
    return len(key) == 1 or (isinstance(inner, Mapping) and _has(inner, key[1:]))


def _without(config: Mapping[str, Any], key: Sequence[str]) -> dict[str, Any]:
    head, rest = key[0], key[1:]
    return {k: _without(v, rest) if k == head else v for k, v in config.items() if rest or k != head}


def _of(kind: str, component: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = _table().get(kind, {}).get(component, [])
    return entries


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads((Path(__file__).parent / "versions.toml").read_text())
