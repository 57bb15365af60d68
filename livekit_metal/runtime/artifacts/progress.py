"""Signs of life of a long step."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from livekit_metal.runtime.artifacts.store import Progress

_SILENCE = 10  # seconds after which the same words are said again, with the time it has taken


@contextmanager
def heartbeat(say: Progress, words: Callable[[], str]) -> Iterator[None]:
    """While the block runs, say ``words()``: once a second when they change, else now and then; '' is not said."""
    over, began = threading.Event(), time.monotonic()

    def tell() -> None:
        last, when = "", began
        while not over.wait(1):
            now, text = time.monotonic(), words()
            if text and (text != last or now - when >= _SILENCE):
                say(text if text != last else f"{text} ({now - began:.0f} s)")
                last, when = text, now

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
