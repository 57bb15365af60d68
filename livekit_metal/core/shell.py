"""Programs in shell: each a file ``scripts/NAME.sh`` beside the module that has it run on a host.

A program gets values in one way, as words: $1, $2 and so on. Nothing is ever put into its text. Part of a program may
be another one (what a daemon is asked, beside what all are): it is such a word too, for the shell's ``eval``.
"""

from __future__ import annotations

import shlex
from functools import cache
from pathlib import Path


@cache
def program(module: str, *names: str) -> str:
    """The text of ``scripts/NAME.sh`` beside ``module`` (its ``__file__``); of several, one after the other.

    The comment that a file begins with stays here: it is for readers, and a host has the text in its list of processes.
    """
    return "".join(_body((Path(module).parent / "scripts" / f"{name}.sh").read_text()) for name in names)


def given(text: str, *values: str) -> str:
    """Shell text that runs the program ``text`` with ``values`` as its words, for a look or for standard input."""
    return f"set -- {shlex.join(values)}\n{text}" if values else text


def _body(text: str) -> str:
    lines = text.splitlines(keepends=True)
    first = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "".join(lines[first:])
