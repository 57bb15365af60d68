"""HAProxy before a livekit-server on loopback, with the configuration that the edge's role renders for a host."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.load.server import Server, answers, site
from livekit_metal.core.slots.active import Active
from livekit_metal.roles.edge.settings import Settings
from livekit_metal.roles.edge.tasks import _certificates, _config

_PORTS = {"http": "7880", "https": "7443", "redirect": "7480", "peer": "7870"}
_PLAIN = {"edge": _PORTS}
_TLS = {"edge": {**_PORTS, "tls": "internal", "domain": "livekit.test"}}


@dataclass(frozen=True, slots=True)
class Edge:
    """HAProxy, and where clients come to: over TLS with the certificate ``trusted``."""

    daemon: Server
    port: int
    trusted: Path | None


@contextlib.contextmanager
def edge(*, tls: bool) -> Iterator[Edge]:
    """An edge whose active slot is a, which runs already. Raises RuntimeError when it does not lead there."""
    program = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise RuntimeError("haproxy is not here; install Debian's package")
    with tempfile.TemporaryDirectory() as directory:
        place, log = Path(directory), Path(directory) / "log"
        settings = written(place, tls=tls)
        with log.open("wb") as out:  # one process instead of the unit's two: the other one serves nobody
            process = subprocess.Popen([program, "-db", "-f", settings.config_file], stdout=out, stderr=out)
        try:
            answers(process, settings.http.first, log)
            door = settings.https if tls else settings.http
            trusted = Path(settings.certificate_file) if tls else None
            yield Edge(Server(process, settings.http.first), door.first, trusted)
        finally:
            process.kill()
            process.wait()


def written(place: Path, *, tls: bool) -> Settings:
    """The settings of the edge, its files in ``place``."""
    found = site(**(_TLS if tls else _PLAIN)).for_host("lk1").the(Settings)
    settings = dataclasses.replace(
        found,
        connections=found.connections_within(resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
        description="bench",
        config_root=str(place),
        active=Active(str(place / "active.map"), str(place / "admin.sock")),
    )
    Path(settings.active.file).write_text("livekit a\n")
    Path(settings.config_file).parent.mkdir()
    for file in (_config(settings), *_certificates(settings)):
        Path(file.path).touch(0o600)
        Path(file.path).write_text(file.text)
    return settings
