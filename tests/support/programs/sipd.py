"""A real Kamailio for tests without a host: it runs with the files that the kamailio role would write, on loopback.

The carrier, a stranger and the slots are sockets of the test's own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.core.ports import PortRange
from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.kamailio.settings import Settings, Source
from livekit_metal.roles.kamailio.tasks import _service

CARRIER, OTHER, STRANGER = "127.0.0.2", "127.0.0.3", "127.0.0.9"  # OTHER is a trunk, too, with numbers of its own
NUMBER, OTHERS_NUMBER = "+15550100", "+15550777"


@dataclasses.dataclass
class Peer:
    """A UDP socket that speaks SIP."""

    address: str
    port: int = 0
    socket: socket.socket = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.bind((self.address, self.port))
        self.port = self.socket.getsockname()[1]

    @property
    def uri(self) -> str:
        return f"sip:{self.address}:{self.port}"

    def send(self, text: str, to: tuple[str, int]) -> None:
        self.socket.sendto("\r\n".join([*text.strip().splitlines(), "Content-Length: 0", "", ""]).encode(), to)

    def got(self, within: float = 5.0) -> str:
        """The next message; '' when none comes."""
        self.socket.settimeout(within)
        with contextlib.suppress(TimeoutError):
            return self.socket.recv(65535).decode()
        return ""

    def has(self, what: str) -> str:
        """The next message that begins with ``what``."""
        while said := self.got():
            if said.startswith(what):
                return said
        pytest.fail(f"{self.address} got no {what}")


@dataclasses.dataclass
class Kamailio:
    """One that runs: where it is, who is around."""

    settings: Settings
    slot: Peer
    draining: Peer
    directory: Path  # of what it has at run time

    @property
    def log(self) -> Path:
        return self.directory / "log"

    @property
    def outside(self) -> tuple[str, int]:
        return self.settings.address, self.settings.port.first

    @property
    def inside(self) -> tuple[str, int]:
        return "127.0.0.1", self.settings.inside.first


@contextlib.contextmanager
def started(kamailio: Settings, directory: Path, **more: Any) -> Iterator[Kamailio]:
    """Run it with two slots, of which the second drains, and two trunks."""
    program = shutil.which("kamailio", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.fail("kamailio is not here: run `make tools`, or apt install kamailio")
    ports = iter([_free() for _ in range(2)])
    sources = (
        Source(network=f"{CARRIER}/32", numbers=Secret("n", NUMBER)),
        Source(network=f"{OTHER}/32", numbers=Secret("n", OTHERS_NUMBER)),
    )
    set_here: dict[str, Any] = {
        "address": "127.0.0.1",
        "public_address": "127.0.0.1",
        "port": _range(next(ports)),
        "inside": _range(next(ports)),
        "sources": sources,
        "registrations": (),
        "certificate": "",
        "certificate_key": "",
        "workers": 1,
        "config_root": str(directory),
    }
    here = dataclasses.replace(kamailio, **set_here | more)
    for file in _service(here).all_files:
        if file.path.startswith(here.config_root):
            Path(file.path).parent.mkdir(parents=True, exist_ok=True)
            text = file.text.replace(here.slots_file, str(directory / "slots"))
            Path(file.path).write_text(text.replace(f"/run/{here.runtime}", str(directory)))
    slot, draining = Peer(here.address), Peer(here.address)
    (directory / "slots").write_text(f"1 {slot.uri}\n2 {slot.uri}\n2 {draining.uri}\n")
    words = [program, "-DD", "-E", "-m", "32", "-M", "4", "-Y", str(directory), "-f", here.config_file]
    with (directory / "log").open("w") as said:
        daemon = subprocess.Popen(words, stdout=said, stderr=said)
    try:
        found = Kamailio(here, slot, draining, directory)
        _await(found, daemon)
        yield found
    finally:
        daemon.terminate()
        daemon.wait(timeout=20)
        for peer in (slot, draining):
            peer.socket.close()


def _await(kamailio: Kamailio, daemon: subprocess.Popen[bytes]) -> None:
    """Until it answers: it says 403 to a slot that would make a new call."""
    end = time.monotonic() + 30
    while True:
        assert daemon.poll() is None, kamailio.log.read_text()
        assert time.monotonic() < end, kamailio.log.read_text()
        with contextlib.closing(Peer("127.0.0.1").socket) as asking:
            peer = Peer.__new__(Peer)
            peer.address, peer.port, peer.socket = "127.0.0.1", asking.getsockname()[1], asking
            peer.send(request("OPTIONS", peer, "sip:x@127.0.0.1"), kamailio.inside)
            with contextlib.suppress(ConnectionError):
                if peer.got(0.2):
                    return


def request(method: str, peer: Peer, uri: str, **more: str) -> str:
    """A request of ``peer``. ``number`` and ``tag``: in To; ``route``: lines; ``id``: of the call."""
    number, tag, call = more.get("number", NUMBER), more.get("tag", ""), more.get("id", "call")
    branch = f"z9hG4bK{time.monotonic_ns()}"
    return f"""{method} {uri} SIP/2.0
Via: SIP/2.0/UDP {peer.address}:{peer.port};branch={branch}
{more.get("route", "")}
Max-Forwards: 20
From: <sip:+1666@{peer.address}>;tag=from
To: <sip:{number}@127.0.0.1>{f";tag={tag}" if tag else ""}
Call-ID: {call}
CSeq: 1 {method}
Contact: <{peer.uri}>""".replace("\n\n", "\n")


def answer(to: str, peer: Peer, tag: str = "slot") -> str:
    """200 to the request ``to``."""
    kept = [line for line in to.splitlines() if re.match(r"(Via|Record-Route|From|To|Call-ID|CSeq):", line)]
    kept = [f"{line};tag={tag}" if line.startswith("To:") and "tag=" not in line else line for line in kept]
    return "\n".join(["SIP/2.0 200 OK", *kept, f"Contact: <{peer.uri}>"])


def _free() -> int:
    """A port that nobody has, neither for UDP nor for TCP."""
    while True:
        with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            with contextlib.suppress(OSError):
                two.bind(("127.0.0.1", port))
                return port


def _range(port: int) -> PortRange:
    return PortRange(port, port)
