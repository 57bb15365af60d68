"""What is wrong with ``extra`` of a component, by the keys that its release reads and by what livekit-metal decides.

A key is ours (a setting decides it), fixed (nothing can), listening (a port that every slot would try to have), dead
(it has no effect, or wins over another), free, or unknown: rules/*.toml says which, keys/*.toml what a release knows.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from livekit_metal.core.errors import Problem
from livekit_metal.releases import compatibility, known_keys
from livekit_metal.releases.known_keys import Table, numbers
from livekit_metal.releases.values import shown, wrong

_HERE = Path(__file__).parent / "rules"


@dataclass(frozen=True, slots=True)
class Rules:
    """What is written about the keys of a component; an entry stands for every key below it."""

    ours: Mapping[str, str] = field(default_factory=dict)  # the setting that decides it
    fixed: Mapping[str, str] = field(default_factory=dict)  # why nothing does
    listening: Mapping[str, str] = field(default_factory=dict)  # what to do instead
    dead: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # what comes of it, what to do instead
    free: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def said(self, key: str) -> tuple[str, str] | None:
        """Fact and remedy about ``key``, if it may not be set."""
        at = key
        while at:
            if at in self.free.get("keys", ()):
                return None
            if at in self.ours:
                return "is set by livekit-metal", f"use {self.ours[at]}"
            if at in self.fixed:
                return "is set by livekit-metal", f"leave it out: {self.fixed[at]}"
            if at in self.listening:
                return "opens a port, and every slot would try to have the same", self.listening[at]
            if at in self.dead:
                return self.dead[at][0], self.dead[at][1]
            at = at.rpartition(".")[0]
        return None


@cache
def rules(component: str) -> Rules:
    """Those of ``component``."""
    return Rules(**tomllib.loads((_HERE / f"{component}.toml").read_text()))


def problems(component: str, version: str, extra: Mapping[str, Any], own: object, path: str) -> Iterator[Problem]:
    """What is wrong with ``extra``, which stands at ``path``; ``own`` is the configuration without it.

    Of a program that is not upstream's there is no table: it is told what it may not name, and the rest gets through.
    """
    if not known_keys.versions(component):
        yield from _taken(extra, own, path)
        return
    yield from _Reading(known_keys.table(component, version), rules(component)).block("", extra, own, path)


def own_problems(component: str, version: str, own: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """What is wrong with values that settings gave, each under the setting that gave it (or below ``path``)."""
    if not known_keys.versions(component):
        return
    table, known = known_keys.table(component, version), rules(component)
    for key, value in _leaves("", own):
        if (kind := table.keys.get(key)) and (said := wrong(kind, value, known.values.get(key, {}))):
            yield Problem(known.ours.get(key, f"{path}.{key}"), *said)


def _taken(extra: Mapping[str, Any], own: object, path: str) -> Iterator[Problem]:
    for name, value in extra.items():
        here = own[name] if isinstance(own, Mapping) and name in own else None
        if isinstance(value, Mapping) and isinstance(here, Mapping):
            yield from _taken(value, here, f"{path}.{name}")
        elif here is not None:
            yield Problem(f"{path}.{name}", "is set by livekit-metal", "leave it out")


def _leaves(at: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _leaves(f"{at}.{name}".lstrip("."), each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _leaves(f"{at}[]", each)
    else:
        yield at, value


@dataclass(frozen=True, slots=True)
class _Reading:
    """One look through a mapping, key by key."""

    table: Table
    rules: Rules

    def block(self, at: str, found: Mapping[str, Any], own: object, path: str) -> Iterator[Problem]:
        """The keys of a mapping that stands at the key ``at``."""
        some = f"{at}.*"
        for name, value in found.items():
            key = f"{at}.{name}".lstrip(".")
            here = own[name] if isinstance(own, Mapping) and name in own else None
            named = key in self.table.keys or self._below(key)
            if "." in name and not self._has(some):
                yield Problem(f"{path}.{name}", "is one name with dots in it", "write it as nested mappings")
            elif said := self.rules.said(key):
                yield Problem(f"{path}.{name}", *said)
            elif not named and not self._has(some):
                yield from self._unknown(at, name, f"{path}.{name}")
            else:
                yield from self.value(key if named else some, value, here, f"{path}.{name}")

    def value(self, key: str, value: object, own: object, path: str) -> Iterator[Problem]:
        """What stands at ``key``, which the release knows."""
        if value is None:  # YAML's null: as if it were not there
            return
        kind, some = self.table.keys.get(key), f"{key}[]"
        if own not in (None, (), [], {}) and (kind or self._has(some)) and key not in self.rules.free.get("keys", ()):
            yield Problem(path, "is set by livekit-metal", "leave it out")  # what has no rule of its own
        elif kind:
            if said := wrong(kind, value, self.rules.values.get(key, {})):
                yield Problem(path, *said)
        elif self._has(some) and not isinstance(value, (list, tuple)):
            yield Problem(path, f"is {shown(value)}", "make it a list")
        elif isinstance(value, (list, tuple)) and self._has(some):
            for i, each in enumerate(value):
                yield from self.value(some, each, None, f"{path}[{i}]")
        elif isinstance(value, Mapping):
            yield from self.block(key, value, own, path)
        else:
            yield Problem(path, f"is {shown(value)}", "make it a mapping")

    def _below(self, key: str) -> bool:
        return any(each.startswith((f"{key}.", f"{key}[]")) for each in self.table.keys)

    def _has(self, key: str) -> bool:
        return key in self.table.keys or self._below(key)

    def _unknown(self, at: str, name: str, path: str) -> Iterator[Problem]:
        component, version, key = self.table.component, self.table.version, f"{at}.{name}".lstrip(".")
        since = compatibility.since(component, key) or _first(component, key)
        if since and numbers(version) >= numbers(since):
            return  # a version that nobody has read, of which this much is known
        inside = f"{at}." if at else ""
        names = {
            each.removeprefix(inside).split(".")[0].removesuffix("[]")
            for each in self.table.keys
            if each.startswith(inside)
        }
        fact = f"is not known to {component} {version}"
        remedy = f"remove it, or choose {since} or newer" if since else _nearest(name, names, component)
        newer = numbers(version) > numbers(self.table.read)
        if newer and not since and not remedy.startswith("did you mean"):
            return  # its structs were not read, and it may know more than the last that were
        yield Problem(path, fact, remedy)


def _nearest(word: str, names: Iterable[str], component: str) -> str:
    close = difflib.get_close_matches(word, sorted(names), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"remove it: {component} would never read it"


def _first(component: str, key: str) -> str:
    """The first version that was read and has ``key``, or something below it."""
    for version in known_keys.versions(component):
        if any(
            each == key or each.startswith((f"{key}.", f"{key}[]"))
            for each in known_keys.table(component, version).keys
        ):
            return version
    return ""
