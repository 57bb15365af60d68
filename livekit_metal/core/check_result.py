"""A row of the doctor: pure data, and how it is shown."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import click

from livekit_metal.core.printable import printable


class Result(StrEnum):
    OK = "ok"
    NOTE = "note"  # works; something that the operator should know
    FAILED = "failed"
    FOLLOWS = "follows"  # failed, and another row says why
    UNKNOWN = "unknown"  # could not be tried


_LONGEST = 2000  # characters of a fact
BAD = (Result.FAILED, Result.UNKNOWN)
_READ = {"result": Result, "explains": tuple, "explained_by": tuple}
_COLOURS = {Result.OK: "green", Result.NOTE: "cyan", Result.FAILED: "red", Result.UNKNOWN: "yellow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One check. ``about`` is the host that it judges ('' for the site), ``vantage`` from where it was made."""

    check: str
    about: str = ""
    vantage: str
    result: Result = Result.OK
    said: str = ""  # the fact: what was found, or the cause of the failure
    remedy: str = ""
    because: str = ""  # FOLLOWS: the row that explains this one
    suspect: bool = False  # a NOTE that is the cause when something is bad that it explains
    explains: tuple[str, ...] = ()  # checks; empty: what all rows of its check do
    explained_by: tuple[str, ...] = ()  # checks, beside those that always do

    @property
    def name(self) -> str:
        return f"{self.check} {self.about}".rstrip()


def failed(check: str, about: str, vantage: str, fact: str, remedy: str) -> CheckResult:
    return CheckResult(check=check, about=about, vantage=vantage, result=Result.FAILED, said=fact, remedy=remedy)


def status(rows: Iterable[CheckResult]) -> int:
    """The exit status: 0 when all is well, else 1."""
    return int(any(row.result in BAD for row in rows))


def as_json(rows: Sequence[CheckResult], now: str) -> str:
    """{"time", "ok", "rows": [the fields of a Row]}."""
    return json.dumps({"time": now, "ok": not status(rows), "rows": [asdict(row) for row in rows]})


def moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))


def from_json(rows: Iterable[Mapping[str, Any]]) -> list[CheckResult]:
    return [
        CheckResult(**{**row, **{name: read(row[name]) for name, read in _READ.items() if name in row}}) for row in rows
    ]


def table(rows: Sequence[CheckResult]) -> Iterator[str]:
    """For people: causes with their remedies below the rows."""
    columns = ("check", "about", "from", "result", "")
    cells = [(r.check, r.about or "the site", r.vantage, r.result.value, _words(r)) for r in rows]
    widths = [max(len(line[i]) for line in (columns, *cells)) for i in range(4)]
    for row, line in zip((None, *rows), (columns, *cells), strict=True):
        padded = [f"{cell:{width}}" for cell, width in zip(line, widths, strict=False)]
        if row:
            padded[3] = click.style(padded[3], fg=_COLOURS.get(row.result))
        yield "  ".join([*padded, line[4]]).rstrip()
    bad = [row for row in rows if row.result in BAD]
    yield ""
    for row in bad:
        yield f"{click.style(row.result.upper(), fg='red')} {row.name} (from {row.vantage}): {_harmless(row.said)}"
        yield f"       {_harmless(row.remedy)}"
    follows = sum(row.result is Result.FOLLOWS for row in rows)
    if not bad:
        yield f"ok: {len(rows)} checks"
    else:
        yield f"{len(bad)} of {len(rows)} checks failed" + (f", {follows} more follow from them" if follows else "")


def _harmless(text: str) -> str:
    """Text of others (a program's name, a daemon's error) does nothing to a terminal."""
    return text if printable(text, _LONGEST) == text else f"'{printable(text, _LONGEST)}'"


def _words(row: CheckResult) -> str:
    if row.result is Result.FOLLOWS:
        return f"from {row.because}"
    if row.result is Result.NOTE:
        return _harmless(f"{row.said}; {row.remedy}")
    return "" if row.result in BAD else _harmless(row.said)
