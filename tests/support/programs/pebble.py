"""A real ACME server (pebble) on the lab's bridge, and name servers that lead its questions where a test says."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import ssl
import subprocess
import sysconfig
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from livekit_metal.vault import certificates
from tests.support.calls.control import free_port

VERSION = "v2.10.1"
_MODULE = "github.com/letsencrypt/pebble/v2/cmd"
_PROGRAMS = ("pebble", "pebble-challtestsrv")
STARTS = 20.0  # s
DAYS = 90  # that a certificate lives


@dataclass(frozen=True)
class Pebble:
    """``directory`` is the URL that clients are given; ``trusted`` has its CA, and the ``root`` of what it issues."""

    directory: str
    trusted: Path
    root: Path
    names: str  # URL of what the name servers are told by
    log: Path
    process: subprocess.Popen[bytes]

    def leads(self, name: str, *addresses: str) -> None:
        """What the CA finds when it looks for ``name``."""
        self._tell("clear-a", host=f"{name}.")
        self._tell("add-a", host=f"{name}.", addresses=addresses)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def _tell(self, verb: str, **what: object) -> None:
        asked = urllib.request.Request(f"{self.names}/{verb}", json.dumps(what).encode())
        _direct().open(asked, timeout=5).close()


def programs() -> dict[str, str]:
    """The programs, built once from their Go module."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "livekit-metal" / f"pebble-{VERSION}"
    if not all((base / name).exists() for name in _PROGRAMS):
        go = shutil.which("go", path=os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")]))
        assert go, "pebble is built from its Go module: install Go, or `make setup`"
        targets = [f"{_MODULE}/{name}@{VERSION}" for name in _PROGRAMS]
        subprocess.run([go, "install", *targets], env=os.environ | {"GOBIN": str(base)}, check=True)
    return {name: str(base / name) for name in _PROGRAMS}


@contextlib.contextmanager
def running(address: str, directory: Path) -> Iterator[Pebble]:
    """Pebble at ``address``, where hosts of the lab reach it; its files in ``directory``."""
    found, ports = programs(), {name: free_port(address) for name in ("acme", "roots", "dns", "names")}
    ca = certificates.authority("pebble", "who vouches for pebble's URL", time.time())
    own = certificates.leaf(ca, "pebble", (address,), 30, time.time())
    for name, text in {"ca.pem": ca.chain, "cert.pem": own.chain, "key.pem": own.key.reveal()}.items():
        (directory / name).write_text(text)
    config = {
        "listenAddress": f"{address}:{ports['acme']}",
        "managementListenAddress": f"{address}:{ports['roots']}",
        "certificate": str(directory / "cert.pem"),
        "privateKey": str(directory / "key.pem"),
        "httpPort": 80,
        "tlsPort": 443,
        "keyAlgorithm": "ecdsa",
        "retryAfter": {"authz": 1, "order": 1},
        "profiles": {"default": {"description": "one for all", "validityPeriod": DAYS * 86400}},
    }
    (directory / "pebble.json").write_text(json.dumps({"pebble": config}))
    off = [
        word
        for name in ("http01", "https01", "tlsalpn01", "doh", "defaultIPv4", "defaultIPv6")
        for word in (f"-{name}", "")
    ]
    resolving = ["-dnsserver", f"{address}:{ports['dns']}", "-management", f"{address}:{ports['names']}", *off]
    serving = ["-config", str(directory / "pebble.json"), "-dnsserver", f"{address}:{ports['dns']}"]
    environment = os.environ | {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0"}
    log = directory / "pebble.log"
    with (
        log.open("wb") as said,
        _ended(subprocess.Popen([found["pebble-challtestsrv"], *resolving], stdout=said, stderr=said)),
        _ended(subprocess.Popen([found["pebble"], *serving], env=environment, stdout=said, stderr=said)) as server,
    ):
        root = directory / "root.pem"
        root.write_bytes(_awaited(f"https://{address}:{ports['roots']}/roots/0", ca.chain, log))
        trusted = directory / "trusted.pem"
        trusted.write_text(ca.chain + root.read_text())
        url, names = f"https://{address}:{ports['acme']}/dir", f"http://{address}:{ports['names']}"
        yield Pebble(url, trusted, root, names, log, server)


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def _direct(ca: str | None = None) -> urllib.request.OpenerDirector:
    """Without a proxy of the environment; it could not reach a lab."""
    trusted = urllib.request.HTTPSHandler(context=ssl.create_default_context(cadata=ca))
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), trusted)


def _awaited(url: str, ca: str, log: Path) -> bytes:
    end = time.monotonic() + STARTS
    while True:
        with contextlib.suppress(OSError), _direct(ca).open(url, timeout=2) as answer:
            content: bytes = answer.read()
            return content
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)
