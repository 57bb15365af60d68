"""A TCP forwarder that holds every byte back: ``with delayed(host, port, seconds) as local:`` is a port on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

_CHUNK = 65536


@contextlib.contextmanager
def delayed(host: str, port: int, seconds: float) -> Iterator[int]:
    """Forward to ``host``, each way ``seconds`` late; however much is under way, as on a long line."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    async def serve() -> None:
        async def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_connection(host, port)
            for each in (writer, back):
                each.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                await asyncio.gather(_carry(reader, back, seconds), _carry(there, writer, seconds))
            finally:
                back.close()
                writer.close()

        async with await asyncio.start_server(come, sock=listener):
            ready.set()
            await asyncio.Event().wait()

    def run() -> None:
        with contextlib.closing(loop), contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    task = loop.create_task(serve())
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait()
    try:
        yield listener.getsockname()[1]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(5)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Each piece at its own time: the one before it is not waited for."""
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def deliver() -> None:
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                writer.write_eof()
                return
            writer.write(data)

    with contextlib.suppress(OSError):
        delivery = asyncio.create_task(deliver())
        data = b"-"
        while data:
            data = await reader.read(_CHUNK)
            under_way.put_nowait((loop.time() + seconds, data))
        await delivery
