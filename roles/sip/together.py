"""What is wrong with trunks and rules beside each other: what LiveKit would refuse later, and what could never ring."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from itertools import product

from livekit_metal.core.errors import Problem
from livekit_metal.roles.sip import numbers
from livekit_metal.roles.sip.numbers import Pattern, normal
from livekit_metal.roles.sip.rules import Rule
from livekit_metal.roles.sip.trunks import Trunk, network

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
Trunks = Mapping[str, Trunk]


def together(trunks: Trunks, rules: Mapping[str, Rule], path: str) -> Iterator[Problem]:
    """Everything that can be known without the secrets."""
    for kind, names in (("trunks", trunks), ("rules", rules)):
        for name in names:
            if not _NAME.fullmatch(name):
                remedy = "use up to 31 lower-case letters, digits and dashes"
                yield Problem(f"{path}.{kind}.{name}", "is not a name for it", remedy)
    for name, rule in rules.items():
        yield from _refers(trunks, rule, f"{path}.rules.{name}")
    yield from _overlaps(trunks, path)
    yield from _twice(trunks, path)
    yield from _only_one_for_the_rest(trunks, path)
    yield from alike({name: rule for name, rule in rules.items() if not rule.pin}, {}, path)


def _refers(trunks: Trunks, rule: Rule, path: str) -> Iterator[Problem]:
    known = []
    for i, trunk in enumerate(rule.trunks):
        if trunk not in trunks:
            yield Problem(
                f"{path}.trunks[{i}]", f"{trunk!r} is not a trunk", f"known here: {', '.join(trunks) or 'none'}"
            )
        elif not trunks[trunk].takes_calls:
            remedy = f"give trunks.{trunk} numbers or a user, or drop it here"
            yield Problem(f"{path}.trunks[{i}]", f"{trunk} is for calls out only", remedy)
        else:
            known.append(trunks[trunk])
    if any(one.secret_numbers or one.takes_any or (one.user and not one.numbers) for one in known) or not known:
        return
    patterns = [pattern for one in known for pattern in one.patterns]
    for i, text in enumerate(rule.numbers):
        wanted = _numbers(text)
        if wanted and not all(any(p.matches(number) for p in patterns) for number in wanted):
            fact = f"{text} is a number of none of its trunks, so it never rings"
            yield Problem(f"{path}.numbers[{i}]", fact, "write it as a trunk has it, or give it to a trunk")


def _numbers(text: str) -> tuple[str, ...]:
    try:
        return numbers.parse(text).numbers()
    except ValueError:
        return ()


def _overlaps(trunks: Trunks, path: str) -> Iterator[Problem]:
    """Who calls is told by the network, so one network may not lie in another trunk's."""
    seen: list[tuple[str, ipaddress.IPv4Network]] = []
    for name, trunk in trunks.items():
        for found in map(network, trunk.networks):
            if found is None:
                continue
            for other, before in seen:
                if other != name and found.overlaps(before) and found != before:
                    fact = f"{found} overlaps {before} of {other}"
                    yield Problem(f"{path}.trunks.{name}.networks", fact, "write them apart, or alike in both")
            seen.append((name, found))


def _twice(trunks: Trunks, path: str) -> Iterator[Problem]:
    owners: list[tuple[str, str, Pattern]] = []
    for name, trunk in trunks.items():
        for text in trunk.numbers:
            try:
                pattern = numbers.parse(text)
            except ValueError:
                continue
            if pattern.any:  # what nobody else has: a number's own trunk comes first
                continue
            for first, _, other in owners:
                if first != name and pattern.meets(other):
                    fact = f"{text} is also one of {first}"
                    yield Problem(f"{path}.trunks.{name}.numbers", fact, "give each number to one trunk")
                    break
            owners.append((name, text, pattern))


def _only_one_for_the_rest(trunks: Trunks, path: str) -> Iterator[Problem]:
    rest = [name for name, trunk in trunks.items() if trunk.takes_calls and not trunk.enumerated]
    for name in rest[1:]:
        fact = f"takes numbers that cannot be listed, and {rest[0]} does already: LiveKit has one such trunk"
        yield Problem(f"{path}.trunks.{name}", fact, "give one of them numbers or ranges")


def alike(rules: Mapping[str, Rule], pins: Mapping[str, str], path: str) -> Iterator[Problem]:
    """Rules that take the same calls by the same PIN (``pins``, by rule): LiveKit refuses the second."""
    owners: dict[tuple[str, str, str, str], str] = {}
    for name, rule in rules.items():
        called = [number for text in rule.numbers for number in _numbers(text)]
        keys = product(rule.trunks, map(normal, called or [""]), map(normal, rule.callers or [""]))
        for key in keys:
            if (first := owners.setdefault((*key, pins.get(name, "")), name)) != name:
                what = f"calls to {key[1]}" if key[1] else "the same calls"
                fact = f"takes {what} of {key[0]} as {first} does"
                yield Problem(f"{path}.rules.{name}", fact, "give it other numbers, callers or trunks, or another pin")
                break


def unheard(trunks: Trunks, rules: Mapping[str, Rule], path: str) -> Iterator[Problem]:
    """What stops no deploy: trunks whose calls no rule takes."""
    ruled = {trunk for rule in rules.values() for trunk in rule.trunks}
    for name, trunk in trunks.items():
        if trunk.takes_calls and name not in ruled:
            remedy = "add a rule, unless an application makes it through LiveKit's API"
            yield Problem(f"{path}.trunks.{name}", "no rule takes its calls: they are refused with 404", remedy)
