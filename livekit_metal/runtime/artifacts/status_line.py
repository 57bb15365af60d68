"""Progress of a long step: on a terminal one line that is written over, with a bar; in a log one each half minute."""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

INTERVAL = 30.0  # seconds between two lines of one step in a log
_WIDTH = 24  # characters of a bar
_COUNTED = re.compile(r"(\d+)(?: \w+)? of (\d+)")


class StatusLine:
    """Called with what has come of a step so far ("compiled 12 of 400 packages"). Words are a step, numbers its state.

    To standard error by default: standard output may be pyinfra's ``--json``.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream or sys.stderr, clock
        self._step, self._when, self._open = "", 0.0, False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __call__(self, text: str, step: str = "") -> None:
        """``step`` names it where its words change as well."""
        step, now = step or re.sub(r"\d+", "", text), self._clock()
        if self._stream.isatty():
            if step != self._step:
                self.close()
            columns = shutil.get_terminal_size().columns
            self._stream.write(f"\r\x1b[K{_with_bar(text)[: columns - 1]}")
            self._open = True
        elif step != self._step or now - self._when >= INTERVAL:
            self._stream.write(f"{text}\n")
            self._when = now
        self._stream.flush()
        self._step = step

    def close(self) -> None:
        """What is printed next begins a line of its own."""
        if self._open:
            self._stream.write("\n")
            self._stream.flush()
            self._open = False


def _with_bar(text: str) -> str:
    if not (found := _COUNTED.search(text)) or not (whole := int(found[2])):
        return text
    full = min(_WIDTH, int(found[1]) * _WIDTH // whole)
    return f"[{'#' * full}{'.' * (_WIDTH - full)}] {text}"
