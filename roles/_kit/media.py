"""A call through one livekit-server on a host: real clients, real media, before people depend on it.

The signalling goes through an SSH tunnel to the server's port on the host's loopback, whatever the edge says; media
goes the way that clients' media goes. The call is a program of its own (``python -m procedures.call``): the SDK's
threads and pyinfra's patched ones do not mix.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gevent
from gevent.server import StreamServer
from paramiko import SSHException
from pyinfra.api.host import Host

from roles._kit.change import Failed
from stack.secret import Secret

Vantage = Literal["controller", "host", "peer"]
SECONDS = 1.0  # of sound once it is heard
_ROOT = Path(__file__).parents[2]
_PIECE = 65536  # bytes


@dataclass(frozen=True, slots=True)
class Line:
    """Which server, and with what: ``port`` of its HTTP API on the host's loopback; ``node`` pins the room to it."""

    port: int
    api_key: str
    api_secret: Secret
    node: str = ""


def call(host: Host, line: Line, within: float = 25.0) -> None:
    """Make a call from this machine through ``line``. Raises Failed with the step that failed, after ``within`` s."""
    if _client(host) is None:  # @fake: there is nobody to call
        return
    with tunnel(host, line.port) as port:
        said = _talk(line, f"ws://127.0.0.1:{port}", within)
    if said:
        raise Failed(said)


@contextmanager
def tunnel(host: Host, port: int) -> Iterator[int]:
    """A port on this machine's loopback that leads to ``port`` on the host's, over the connection that deploys."""

    def relay(near: Any, _: Any) -> None:
        transport = _client(host).get_transport()
        try:
            far = transport.open_channel("direct-tcpip", ("127.0.0.1", port), near.getpeername(), timeout=10)
        except SSHException:  # the caller sees a closed connection
            near.close()
            return
        try:
            gevent.joinall([gevent.spawn(_pump, near.recv, far), gevent.spawn(_pump, far.recv, near)])
        finally:
            far.close()
            near.close()

    server = StreamServer(("127.0.0.1", 0), relay)
    server.start()
    try:
        yield server.server_port
    finally:
        server.stop(timeout=1)


def _client(host: Host) -> Any:
    return getattr(host.connector, "client", None)


def _pump(read: Callable[[int], bytes], to: Any) -> None:
    try:
        while piece := read(_PIECE):
            to.sendall(piece)
        to.shutdown_write() if hasattr(to, "shutdown_write") else to.shutdown(1)
    except OSError:
        pass  # the other direction ends too


def _talk(line: Line, url: str, within: float) -> str:
    """What was wrong with the call; '' for a good one."""
    access = {"url": url, "api_key": line.api_key, "api_secret": line.api_secret.reveal()}
    command = [sys.executable, "-m", "procedures.call", "--access", "/dev/stdin", "--json"]
    command += ["--seconds", str(SECONDS), "--within", str(within), *(["--node", line.node] if line.node else [])]
    # the SDK would send even loopback through a proxy
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    done = subprocess.run(
        command,
        input=json.dumps(access),
        cwd=_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=within + 30,
    )
    try:
        report = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        return f"the call said nothing ({done.stderr.strip()[-300:]})"
    return "" if report["ok"] else "; ".join(report["problems"])
