"""A livekit-server on loopback, with stock configuration, ours, or one thing changed; and what it has used."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.load import programs
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.site import loading
from livekit_metal.site.model import Site

KEY, SECRET = "load", "a secret that is good on loopback alone"
_TICKS = os.sysconf("SC_CLK_TCK")
_RELEASE = "1.13.5"  # the newest that can be built from its module
_SITE = {
    "hosts": {"lk1": {"address": "127.0.0.1", "roles": ["livekit", "redis"]}},
    "livekit": {"release": _RELEASE, "source": "module", "media_udp": "50000-50299"},
}
# config-sample.yaml of upstream, as far as it is not commented out there.
STOCK: Mapping[str, Any] = {
    "port": 7880,
    "rtc": {"tcp_port": 7881, "port_range_start": 50000, "port_range_end": 60000, "use_external_ip": False},
}
_LOOPBACK = {"node_ip": "127.0.0.1", "enable_loopback_candidate": True, "ips": {"includes": ["127.0.0.1/32"]}}


@dataclass(frozen=True, slots=True)
class Kind:
    """A program, its configuration, and the environment that it gets besides."""

    program: Path
    config: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)


def kinds() -> dict[str, Kind]:
    """What is compared; "stock" is what the others are ratios of."""
    own = site().for_host("lk1").the(Settings)
    ours = {key: value for key, value in own.config("a").items() if key != "redis"}
    program, third = programs.server(own), programs.server_for_level_3(own)
    batch = {"batch_size": 128, "max_flush_interval": "2ms"}
    found = {
        "stock": Kind(program, STOCK),
        "ours": Kind(program, ours),
        "batch": Kind(program, ours | {"rtc": ours["rtc"] | {"batch_io": batch}}),
        "1 socket": Kind(program, ours | {"rtc": ours["rtc"] | {"udp_port": 50000}}),
        "GOMEMLIMIT": Kind(program, ours, {"GOMEMLIMIT": "1GiB"}),
    }
    return found | ({"GOAMD64=v3": Kind(third, ours)} if third else {})


def site(**settings: object) -> Site:
    """One host on loopback. Secrets of this measurement do not outlive it."""
    with tempfile.TemporaryDirectory() as directory, _home(directory):
        return loading.load(_SITE | settings, "load", Path(directory))


@contextlib.contextmanager
def _home(directory: str) -> Iterator[None]:
    """Secrets of this measurement stay in its directory."""
    before = os.environ.get("XDG_CONFIG_HOME")
    os.environ["XDG_CONFIG_HOME"] = directory
    try:
        yield
    finally:
        os.environ.pop("XDG_CONFIG_HOME")
        os.environ |= {"XDG_CONFIG_HOME": before} if before else {}


@dataclass(frozen=True, slots=True)
class Server:
    """A daemon that runs, and its port."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def cpu(self) -> float:
        """Seconds computed so far, of the process' own accounting."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / _TICKS

    @property
    def memory(self) -> float:
        """MB that it has in memory."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("VmRSS:"))) / 1024


@contextlib.contextmanager
def running(kind: Kind) -> Iterator[Server]:
    """A server of this kind, once it answers. Raises RuntimeError when it does not."""
    with socket.create_server(("127.0.0.1", kind.config["port"])):
        pass  # whoever has it already would be measured
    config = json.loads(json.dumps(dict(kind.config)))
    config["rtc"] |= _LOOPBACK
    config |= {"keys": {KEY: SECRET}, "bind_addresses": ["127.0.0.1"], "logging": {"level": "warn"}}
    with tempfile.TemporaryDirectory() as directory:
        file, log = Path(directory) / "config.yaml", Path(directory) / "log"
        file.write_text(json.dumps(config))
        file.chmod(0o600)
        with log.open("wb") as out:
            words = [str(kind.program), "--config", str(file)]
            process = subprocess.Popen(words, env=os.environ | kind.environment, stdout=out, stderr=out)
        try:
            answers(process, config["port"], log)
            yield Server(process, config["port"])
        finally:
            process.kill()
            process.wait()


def answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until there is a livekit-server behind ``port``. Raises RuntimeError with the log of ``process``."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"nothing answers on port {port}: {log.read_text()[-1500:]}")
