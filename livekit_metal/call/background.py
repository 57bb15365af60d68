"""What goes on in a thread of its own, so that whoever began it may block as long as it likes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from abc import ABC, abstractmethod
from concurrent.futures import Future, InvalidStateError
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class Aside(ABC, Generic[T]):
    """``async with`` returns when :meth:`_session` is up and ends it on the way out; :meth:`stop` gives its result."""

    def __init__(self, name: str) -> None:
        self._up: Future[None] = Future()
        self._stop: Future[None] = Future()
        self._result: Future[T] = Future()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    async def _session(self) -> T:
        """What is done: sets ``_up`` once it is up, goes on until ``_stop`` is set, and leaves nothing open."""

    async def __aenter__(self) -> Self:
        """Raises what the session does before it is up."""
        self._thread.start()
        try:
            await asyncio.shield(asyncio.wrap_future(self._up))
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def stop(self) -> T:
        """End it and say what it was like. Raises what it ended with."""
        await self._end()
        return self._result.result()

    async def _end(self) -> None:
        with contextlib.suppress(InvalidStateError):  # already ending
            self._stop.set_result(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            self._result.set_result(asyncio.run(self._session()))
        except asyncio.CancelledError:
            self._up.cancel()
            self._result.cancel()
        except Exception as error:  # the end of the thread: hand it to whoever waits
            for waiting in (self._up, self._result):
                if not waiting.done():
                    waiting.set_exception(error)
