"""Errors an operator can act on: where, what is wrong, what would be right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from livekit_metal.core.printable import printable

_LONGEST = 2000  # characters of a part: enough for a journal's last words, and no wall of text
_BREAKS = "\n\t"  # a journal's last words have them


_OURS = re.compile(r"python -m procedures\.(\w+)|\bprocedures[/.](\w+?)(?:\.py)?(?=\W|$)")


def as_called_here(text: str) -> str:
    """Our commands in a message as one calls them where this runs.

    A checkout has them in ``procedures/``, as messages say it; a site in a repository of its own has ``livekit-metal``.
    """
    if Path("procedures").is_dir():
        return text
    return _OURS.sub(lambda found: f"livekit-metal {(found[1] or found[2]).replace('_', '-')}", text)


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding, printed as ``path: fact; remedy``."""

    path: str
    fact: str
    remedy: str

    def __str__(self) -> str:
        path, remedy = printable(self.path), printable(self.remedy, _LONGEST)
        return as_called_here(f"{path}: {printable(self.fact, _LONGEST, keep=_BREAKS)}; {remedy}")


class SiteError(Exception):
    """Everything that is wrong with a site, collected; its text has one line per problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class Problems:
    """A collector, so that an operator sees all problems of an inventory at once."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def add(self, path: str, fact: str, remedy: str) -> None:
        self._found.append(Problem(path, fact, remedy))

    def extend(self, problems: Iterable[Problem]) -> None:
        self._found.extend(problems)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._found)

    def __bool__(self) -> bool:
        return bool(self._found)

    def raise_if_any(self) -> None:
        """Raise :class:`SiteError` when anything was found."""
        if self._found:
            raise SiteError(self._found)
