"""Text of strangers as it may be shown: what guests, carriers and daemons chose must not steer an operator's terminal.

A room's name or a line of a journal may hold escape sequences (ECMA-48), line breaks that forge a line of ours, marks
that turn the order of reading around (UAX #9), or a megabyte.
"""

from __future__ import annotations

import unicodedata

# Beside what has no shape of its own: joiners stay, names of people have them.
_INVISIBLE = ("Cc", "Cs", "Co", "Cn", "Zl", "Zp")
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def printable(text: str, longest: int = 200, *, keep: str = "") -> str:
    """``text`` with whatever is no plain character written as an escape (``\\x1b``), cut in the middle when it is long.

    ``longest`` counts characters of ``text``; ``keep`` names control characters that stay (line breaks of a journal).
    """
    if len(text) > longest:
        half = longest // 2
        left_out = f"…({len(text) - 2 * half} more)…"
        return printable(text[:half], half, keep=keep) + left_out + printable(text[-half:], half, keep=keep)
    return "".join(char if char in keep or not _hidden(char) else _escaped(char) for char in text)


def _hidden(char: str) -> bool:
    return char in _BIDI or unicodedata.category(char) in _INVISIBLE


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")
