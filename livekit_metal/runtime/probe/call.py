"""A call through one livekit-server on a host: real clients, real media, before people depend on it.

It is made from a vantage: this machine, the host itself, or a peer. The signalling goes to the server's port on the
host's loopback, whatever the edge says; media goes the way that media of clients at that place goes. The call is a
program of its own (``python -m livekit_metal.call``): the SDK's threads and pyinfra's patched ones do not mix.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gevent.lock import BoundedSemaphore
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host

from livekit_metal.core.types.secret import Secret
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.ssh_tunnels import client, reverse, tunnel
from livekit_metal.runtime.probe import on_host

Kind = Literal["controller", "host", "peer"]
SECONDS = 1.0  # of sound once it is heard
_ROOT = Path(__file__).parents[3]
_calls: dict[str, BoundedSemaphore] = {}  # those that are made now, by the place; '' is this machine


class NoMedia(HostError):
    """The signalling of a call worked, its media did not."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Which server, and with what: ``port`` of its HTTP API on the host's loopback; ``node`` pins the room to it."""

    port: int
    api_key: str
    api_secret: Secret
    node: str = ""


@dataclass(frozen=True, slots=True)
class Vantage:
    """From where calls are made. ``peers`` are the other hosts that could make one, the next first."""

    kind: Kind
    peers: tuple[str, ...]
    root: str  # where the program that makes calls is on hosts

    @property
    def on_hosts(self) -> bool:
        return self.kind != "controller"

    def place(self, host: Host) -> Host | None:
        """The host from which a call through ``host`` is made; None for this machine. Raises HostError."""
        if self.kind == "controller":
            return None
        return host if self.kind == "host" else _peer(host, self.peers)


def call(host: Host, line: Endpoint, vantage: Vantage, within: float = 25.0) -> None:
    """Make a call through ``line``. Raises HostError (NoMedia: only media fails) after ``within`` s at the latest."""
    if client(host) is None:  # @fake: there is nobody to call
        return
    place = vantage.place(host)
    arguments = ("--seconds", str(SECONDS), "--within", str(within), *(("--node", line.node) if line.node else ()))
    with _room_for_a_call(place), _signalling(host, place, line.port) as port:
        access = {"url": f"ws://127.0.0.1:{port}", "api_key": line.api_key, "api_secret": line.api_secret.reveal()}
        if place is None:
            said = _here(access, arguments, within)
        else:
            said = on_host.call(place, vantage.root, access, arguments, within)
    _judge(said)


def _room_for_a_call(place: Host | None) -> BoundedSemaphore:
    """Hosts may be activated at once: so many calls are made from this machine meanwhile, and one from each host
    (paramiko hands what comes to a forwarded port of a connection to whoever asked for one last).
    """
    name = place.name if place else ""
    if name not in _calls:
        _calls[name] = BoundedSemaphore(1 if place else max(2, 2 * (os.cpu_count() or 1)))
    return _calls[name]


@contextmanager
def _signalling(host: Host, place: Host | None, port: int) -> Iterator[int]:
    """The port on loopback, where the call is made, that leads to ``port`` on the host's."""
    if place is None:
        with tunnel(host, port) as near:
            yield near
    elif place is host:
        yield port
    else:
        with reverse(place, host, port) as there:
            yield there


def _peer(host: Host, names: tuple[str, ...]) -> Host:
    """The first of ``names`` that this run has a connection to, or else the first that one can be made to."""
    known = [host.inventory.get_host(name) for name in names]
    said = []
    for peer in sorted(known, key=lambda each: not each.connected):
        try:
            peer.connect(reason="to call from there", show_errors=False, raise_exceptions=True)
        except ConnectError as error:
            said.append(f"{peer.name}: {error}")
        else:
            return peer
    fact = f"no peer of {host.name} can be reached ({'; '.join(said) or 'there is none'})"
    raise HostError(f"livekit.probe: {fact}; mend one, or set the probe to controller or host")


def _here(access: dict[str, str], arguments: tuple[str, ...], within: float) -> str:
    command = [sys.executable, "-m", "livekit_metal.call", "--access", "-", "--json", *arguments]
    # the SDK would send even loopback through a proxy
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    try:
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
    except subprocess.TimeoutExpired as error:
        raise HostError(f"the call did not end within {within + 30:.0f} s") from error
    return f"{done.stderr}\n{done.stdout}"


def _judge(said: str) -> None:
    """Raise what the report in ``said``, the last of its lines that is one, amounts to."""
    for line in reversed(said.splitlines()):
        try:
            report = json.loads(line)
            good, problems = report["ok"], report["problems"]
        except (ValueError, TypeError, KeyError):
            continue
        if good:
            return
        raise (NoMedia if report.get("no_media") else HostError)("; ".join(problems))
    raise HostError(f"the call said nothing ({said.strip()[-300:]})")
