"""Numbers as an inventory writes them: one, a prefix, a range, or any. What can never ring is refused when it is read.

LiveKit takes exact numbers only: a range becomes its numbers there, a prefix is kept by Kamailio alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from livekit_metal.core.errors import Problem

LARGEST = 1000  # numbers of a range: each is a number of LiveKit's object
# Kamailio reads a line of its file of sources into 1024 bytes (permissions/address.c) and takes the rest for another.
LONGEST = 900
_SHOWN = (
    "write it as the carrier sends it: +4930123456, a prefix (+4930123*), a range (+4930123400-99) or a user's name"
)
_DIGITS = re.compile(r"\+?[0-9]{1,32}")
_NAME = re.compile(r"(?=.*[A-Za-z])[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
_RANGE = re.compile(r"(\+?)([0-9]{1,32})-(\+?)([0-9]{1,32})")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One word of a list. ``text``: the number, the prefix, or the first of a range, which ends at ``last``."""

    kind: Literal["exact", "prefix", "range"]
    text: str
    last: str = ""

    @property
    def any(self) -> bool:
        return self.kind == "prefix" and not self.text

    def matches(self, number: str) -> bool:
        """Whether a call to ``number`` is meant."""
        if self.kind == "prefix":
            return number.startswith(self.text)
        if self.kind == "range":
            return len(number) == len(self.text) and self.text <= number <= self.last
        return number == self.text

    def meets(self, other: Pattern) -> bool:
        """Whether some number is meant by both."""
        if self.kind == "prefix" and other.kind == "prefix":
            return self.text.startswith(other.text) or other.text.startswith(self.text)
        if self.kind == "prefix":
            return any(self.matches(number) for number in other.numbers())
        if other.kind == "prefix":
            return other.meets(self)
        return bool({*map(normal, self.numbers())} & {*map(normal, other.numbers())})

    def numbers(self) -> tuple[str, ...]:
        """All that it means; none of a prefix, which has no end."""
        if self.kind == "prefix":
            return ()
        if self.kind == "exact":
            return (self.text,)
        sign, digits = _signed(self.text)
        count = int(_signed(self.last)[1]) - int(digits) + 1
        return tuple(f"{sign}{int(digits) + i:0{len(digits)}}" for i in range(count))

    def regex(self) -> str:
        """The same as an extended regular expression (POSIX) without anchors."""
        if self.kind == "exact":
            return _escaped(self.text)
        if self.kind == "prefix":
            return f"{_escaped(self.text)}[^,]*"
        sign, first = _signed(self.text)
        return _escaped(sign) + _between(first, _signed(self.last)[1])


def parse(text: str) -> Pattern:
    """Raises ValueError ``fact; remedy`` for what cannot be a number."""
    if text == "*":
        return Pattern("prefix", "")
    if text.endswith("*"):
        return Pattern("prefix", _exact(text[:-1], text))
    if found := _RANGE.fullmatch(text):
        sign, first, again, tail = found.groups()
        last = first[: -len(tail)] + tail if len(tail) < len(first) else tail
        if again not in ("", sign) or len(last) != len(first) or last < first:
            raise ValueError(
                f"{text!r} is not a range; write the first number, and the last or its last digits: +4930100-99"
            )
        if (count := int(last) - int(first) + 1) > LARGEST:
            raise ValueError(f"{text!r} has {count} numbers; write a prefix ({sign}{_common(first, last)}*)")
        _exact(sign + first, text)
        return Pattern("range", sign + first, sign + last)
    return Pattern("exact", _exact(text, text))


def is_number(text: str) -> bool:
    """Whether ``text`` is one number that may be called, and nothing that Kamailio or LiveKit take for more."""
    try:
        return parse(text).kind == "exact"
    except ValueError:
        return False


def problems(numbers: Iterable[str], path: str, *, exact: bool = False) -> Iterator[Problem]:
    """What is wrong with a list of numbers; ``exact``: it may hold no prefixes and ranges."""
    for i, number in enumerate(numbers):
        try:
            found = parse(number)
        except ValueError as error:
            fact, _, remedy = str(error).partition("; ")
            yield Problem(f"{path}[{i}]", fact, remedy)
            continue
        if exact and found.kind != "exact":
            yield Problem(f"{path}[{i}]", f"{number!r} is more than one number", "write each number that is meant")


def normal(number: str) -> str:
    """A number as LiveKit compares it: '49' and '+49' are one (protocol's NormalizeNumber)."""
    return f"+{number}" if number.isdecimal() else number


def tag(patterns: Iterable[Pattern]) -> str:
    """Who may be called, as Kamailio's file of sources has it: '*', numbers with commas, or ``~`` and an expression."""
    wanted = list(dict.fromkeys(patterns))
    if any(each.any for each in wanted):
        return "*"
    if all(each.kind == "exact" for each in wanted):
        return ",".join(each.text for each in wanted) or "-"
    return f"~^({'|'.join(each.regex() for each in wanted)})$"


def _exact(text: str, whole: str) -> str:
    if _NAME.fullmatch(text):
        return text
    if not _DIGITS.fullmatch(text):
        raise ValueError(f"{whole!r} is not a number; {_SHOWN}")
    if text.startswith("+0") or (text.startswith("+") and len(text) > 16):
        raise ValueError(
            f"{whole!r} is not a number; after + comes a country's code, and 15 digits are the most (E.164)"
        )
    return text


def _signed(text: str) -> tuple[str, str]:
    return (text[0], text[1:]) if text.startswith("+") else ("", text)


def _escaped(text: str) -> str:
    return re.sub(r"[.+]", r"[\g<0>]", text)


def _common(first: str, last: str) -> str:
    same = 0
    while same < len(first) and first[same] == last[same]:
        same += 1
    return first[:same]


def _between(first: str, last: str) -> str:
    """The numbers from ``first`` to ``last``, of one length, as an expression."""
    head = _common(first, last)
    first, last = first[len(head) :], last[len(head) :]
    if not first:
        return head
    if len(first) == 1:
        return f"{head}[{first}-{last}]"
    rest = len(first) - 1
    low, high = int(first[0]), int(last[0])
    parts = []
    if first[1:] != "0" * rest:
        parts.append(first[0] + _between(first[1:], "9" * rest))
        low += 1
    ends = last[1:] != "9" * rest
    if ends:
        high -= 1
    if low <= high:
        parts.append((f"[{low}-{high}]" if low < high else str(low)) + "[0-9]" * rest)
    if ends:
        parts.append(last[0] + _between("0" * rest, last[1:]))
    return f"{head}({'|'.join(parts)})" if len(parts) > 1 else head + parts[0]
