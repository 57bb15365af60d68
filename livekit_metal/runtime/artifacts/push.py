"""A verified artifact on a host: /opt/livekit/<component>/<version>-<hash12>/, immutable once it is there.

It holds the program, or the tree of an image as ``rootfs`` (:data:`TREE`), for systemd's RootDirectory=.
"""

from __future__ import annotations

import sys
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from pyinfra.api.host import Host
from pyinfra.connectors.util import make_unix_command_for_host

from livekit_metal.core import shell
from livekit_metal.core.errors import SiteError
from livekit_metal.runtime.artifacts.fetch import Artifact, verify
from livekit_metal.runtime.artifacts.status_line import INTERVAL
from livekit_metal.runtime.host.commands import HostError, changing, privilege, run
from livekit_metal.runtime.host.connect_errors import BREAKS, broken, lost

TREE = "rootfs"
_CHUNK = 1 << 20
_SILENCE = 120  # s without a sign of life
_RECEIVE = shell.program(__file__, "receive-file")
_RECEIVE_TREE = shell.program(__file__, "receive-tree")


def bring(host: Host, artifact: Artifact, directory: str, program: str) -> None:
    """Bring ``artifact`` to ``directory`` of the host: as ``program``, or an image's tree as :data:`TREE`.

    Raises HostError when it does not arrive whole (disk full, connection).
    """
    try:
        verify(artifact)
    except SiteError as error:
        raise HostError(str(error)) from error
    if not artifact.is_tree:
        push(host, artifact.path, directory, program, artifact.sha256)
        return
    parts = squeezed(progress(host, pieces(artifact.path), artifact.size))
    args = (directory, TREE, artifact.sha256, str((artifact.size >> 10) * 11 // 10))
    send(host, _RECEIVE_TREE, args, parts, f"{artifact.size >> 20} MB to {directory}")


def push(host: Host, artifact: Path, directory: str, program: str, sha256: str) -> None:
    """Bring the file ``artifact`` to the host. Raises HostError when it does not arrive whole."""
    size = artifact.stat().st_size
    parts = squeezed(progress(host, pieces(artifact), size))
    send(host, _RECEIVE, (directory, program, sha256), parts, f"{size >> 20} MB to {directory}")


def send(host: Host, script: str, args: Iterable[str], parts: Iterable[bytes], what: str) -> None:
    """Feed ``parts`` to the shell text ``script``, which changes the host. Raises HostError in its own words."""
    run(host, "true")  # what must happen before a first change happens before this one
    client = getattr(host.connector, "client", None)
    if client is None:
        raise HostError(f"{host.name} is not reached over SSH; releases are pushed over SSH only")
    command = make_unix_command_for_host(host.state, host, changing(script, *args), **privilege(host)).get_raw_value()
    try:
        stdin, stdout, stderr = client.exec_command(command)
    except BREAKS as error:
        raise HostError(broken(host, error)) from error
    said = ""
    stdin.channel.settimeout(_SILENCE)
    try:
        for part in parts:
            stdin.write(part)
        stdin.channel.shutdown_write()
        stdout.channel.settimeout(_SILENCE)
        stdout.read()  # nothing; it ends when the host is done, or raises when it stays silent
    except TimeoutError as error:
        raise HostError(f"pushing {what}: {host.name} was silent for {_SILENCE} s; is the link up?") from error
    except OSError as error:  # the far end stopped reading: its own words below say why
        said = f"{error}; "
    status = stdout.channel.recv_exit_status()
    said += stderr.read().decode(errors="replace").strip()
    if status and lost(host, within=0.0 if status > 0 else 1.0):
        raise HostError(f"pushing {what}: {broken(host)}")
    if status:
        raise HostError(f"pushing {what} failed: {said or f'status {status}'}")


def progress(host: Host, parts: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same parts, told every few seconds on a terminal, else each half minute; ``size``: of all, in bytes."""
    sent, said, every = 0, time.monotonic(), 3 if sys.stderr.isatty() else INTERVAL
    for part in parts:
        yield part
        sent += len(part)
        if time.monotonic() - said > every:
            said = time.monotonic()
            host.log(f"pushing: {sent * 100 // size} % of {size >> 20} MB")


def pieces(file: Path) -> Iterator[bytes]:
    """The bytes of a file."""
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            yield chunk


def squeezed(parts: Iterable[bytes]) -> Iterator[bytes]:
    """One gzip stream."""
    squeeze = zlib.compressobj(1, wbits=31)  # 31: with gzip's header
    for part in parts:
        yield squeeze.compress(part)
    yield squeeze.flush()
