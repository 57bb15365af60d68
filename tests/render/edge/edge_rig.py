"""An edge on loopback: a real HAProxy with the rendered configuration, before slots that are small Python servers."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import http.client
import os
import random
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from livekit_metal.core.ports import PortRange
from livekit_metal.core.slots.active import Active
from livekit_metal.roles.edge.backends import Acme, Slot
from livekit_metal.roles.edge.settings import Settings
from livekit_metal.roles.edge.tasks import _certificates, _config
from livekit_metal.runtime.slots import active_slot
from livekit_metal.vault.certificate import Certificate, metric
from tests.render.edge.fake_slot import KEY, UPGRADE, FakeSlot

THUMBPRINT = "IuwuhozLOjjsf9NyRp_L_ubXPxeElMPMysnYz945XuY"  # of some account


_WORKERS = 8  # at most


def free_ports(count: int) -> list[int]:
    """Ports that nobody has, from below those that the kernel gives to connections: none is taken again at once.

    Each of pytest's workers has its own: two HAProxy could listen on the same one (SO_REUSEPORT), and share who comes.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    own = range(20000 + worker, 32000, _WORKERS)
    with contextlib.ExitStack() as stack:
        found: list[int] = []
        for port in random.sample(own, 1000):
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_server(("", port)))
                found.append(port)
            if len(found) == count:
                return found
    raise AssertionError(f"of 1000 ports only {len(found)} are free")


class Edge:
    """HAProxy as the unit runs it (master and worker), its files in ``directory``; ``peer`` is another edge."""

    def __init__(
        self,
        haproxy: str,
        directory: Path,
        slots: dict[str, FakeSlot],
        peer: int,
        got: Certificate | None = None,
        **settings: object,
    ) -> None:
        self.got = got  # by ACME
        self.http, self.https, self.redirect, self.own_peer, self.metrics, self.turn, *metrics = free_ports(
            6 + len(slots)
        )
        directory.mkdir()
        self.active = Active(str(directory / "active.map"), str(directory / "admin.sock"))
        Path(self.active.file).touch()
        values: dict[str, object] = {
            "http": PortRange(self.http, self.http),
            "https": PortRange(self.https, self.https),
            "redirect": PortRange(self.redirect, self.redirect),
            "peer": PortRange(self.own_peer, self.own_peer),
            "turn": PortRange(self.turn, self.turn),
            "metrics": PortRange(self.metrics, self.metrics),
            "slots": tuple(
                Slot(name=n, signal=s.port, metrics=m) for (n, s), m in zip(slots.items(), metrics, strict=True)
            ),
            "config_root": str(directory),
            "active": self.active,
            "monitored": True,
            "cluster_address": "127.0.0.1",
            "connections": 100,
            "description": "first",
            "acme": Acme(config_root=str(directory), thumbprint=THUMBPRINT) if got else None,
        }
        self.settings = Settings(**(values | settings))  # type: ignore[arg-type]
        self._peer, self._haproxy, self._log = peer, haproxy, directory / "log"
        self._write()
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notified.bind(str(directory / "notify"))
        self._notified.settimeout(10)
        with self._log.open("w") as log:
            words = [haproxy, "-Ws", "-f", self.settings.config_file]
            notify = {"NOTIFY_SOCKET": self._notified.getsockname()}
            self.process = subprocess.Popen(words, stdout=log, stderr=log, env=os.environ | notify)
        self._ready()

    def _ready(self) -> None:
        """What systemd waits for too: a master that is still loading drops the signal to reload."""
        try:
            while b"READY=1" not in self._notified.recv(4096):
                pass
        except TimeoutError:
            raise AssertionError(f"HAProxy is not ready: {self.log}") from None

    def _write(self) -> None:
        text = _config(self.settings).text
        if self._peer:  # all edges share loopback here: the peer has a port of its own
            text = text.replace(f"other 127.0.0.1:{self.own_peer}", f"other 127.0.0.1:{self._peer}")
        config = Path(self.settings.config_file)
        config.parent.mkdir(exist_ok=True)
        for certificate in _certificates(self.settings):
            Path(certificate.path).write_text(certificate.text)
        if self.settings.acme and self.got:
            Path(self.settings.acme.file).write_text(f"# request 0123\n{self.got.pem.reveal()}")
            Path(self.settings.acme.metric_file).write_text("\n".join((*metric(self.got.not_after), "")))
        config.write_text(text)

    def tell(self, command: str) -> str:
        """HAProxy's answer on its admin socket; '' when it does not listen yet."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as admin:
            admin.connect(self.active.socket)
            admin.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: admin.recv(65536), b"")).decode()
        return ""

    def until(self, true: Callable[[], object], within: float = 10) -> None:
        end = time.monotonic() + within
        while not true():
            assert time.monotonic() < end, self.log
            time.sleep(0.02)

    def up(self, backend: str, server: str) -> bool:
        states = (line.split() for line in self.tell(f"show servers state {backend}").splitlines())
        return any((s[3], s[5], s[11]) == (server, "2", "3") for s in states if len(s) > 11)

    def flip(self, slot: str) -> None:
        active_slot.flip(None, self.active, "livekit", slot)  # type: ignore[arg-type]  # `sh` runs here, see the fixture

    def reload(self, **settings: object) -> None:
        self.settings = dataclasses.replace(self.settings, **settings)  # type: ignore[arg-type]
        self._write()
        self.process.send_signal(signal.SIGUSR2)
        self._ready()
        self.until(lambda: f"description: {self.settings.description}\n" in self.tell("show info"))

    @property
    def log(self) -> str:
        return self._log.read_text()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self._notified.close()


def tried_in_vain(edge: Edge) -> int:
    """How often the edge has tried to connect to a slot or another host, and could not (its own statistics)."""
    lines = edge.tell("show stat").removeprefix("# ").splitlines()
    rows = [row for row in csv.DictReader(lines) if row["svname"] not in ("FRONTEND", "BACKEND")]
    return sum(int(row[name] or 0) for row in rows for name in ("econ", "wretr", "wredis"))


def get(port: int, path: str = "/x", **headers: str) -> tuple[int, str]:
    """Status and body of an HTTP request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, body


@contextlib.contextmanager
def websocket(port: int, trusted: ssl.SSLContext | None = None, name: str = "") -> Iterator[Callable[[str], str]]:
    """A WebSocket as far as an edge can tell; ``say(text)`` gives the answer, '' when it was cut."""
    with contextlib.ExitStack() as stack:
        s = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
        if trusted:
            s = stack.enter_context(trusted.wrap_socket(s, server_hostname=name))
        key = f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
        s.sendall(f"GET /rtc?access_token=SECRET HTTP/1.1\r\nHost: {name or 'x'}\r\n{UPGRADE}{key}\r\n".encode())
        assert b" 101 " in s.recv(1024)

        def say(text: str) -> str:
            s.sendall(text.encode())
            return s.recv(1024).decode()

        yield say
