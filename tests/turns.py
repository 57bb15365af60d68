"""Who has the machine: work that may run beside other work, and work that wants the machine for itself.

Tests that compare the media of a call with a control want no neighbour. The others wait more than they compute (for a
boot, a timer, a deploy), so a few of them run at once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """At most ``together`` turns at once; a turn ``alone`` begins when no other is left, and no other begins in it.

    A turn that may run beside others does not wait for one that wants the machine for itself: what can be done together
    is done first. So nobody waits for ever only where, as here, the work comes to its end.
    """

    def __init__(self, together: int) -> None:
        self._together = together
        self._running = 0
        self._alone = False
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, *, alone: bool) -> Iterator[None]:
        """Wait for a turn, and have it for the length of the block."""
        most = 1 if alone else self._together
        with self._changed:
            self._changed.wait_for(lambda: not self._alone and self._running < most)
            self._running += 1
            self._alone = alone
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._alone = False
                self._changed.notify_all()
