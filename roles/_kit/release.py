"""A verified program on a host: /opt/livekit/<component>/<version>-<hash12>/<program>, immutable once it is there."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from pyinfra.api import QuoteString, StringCommand
from pyinfra.api.host import Host
from pyinfra.connectors.util import make_unix_command_for_host

from roles._kit.change import WORK_LOCK, Failed, privilege, sh

_CHUNK = 1 << 20
_SILENCE = 120  # s without a sign of life
# $1 directory, $2 program, $3 sha256. The directory appears complete or not at all.
_RECEIVE = r"""set -eu; umask 022; d=$1; t=$1.lkm-new
mkdir -p "${d%/*}"; rm -rf "$t"; mkdir "$t"; trap 'rm -rf "$t"' EXIT
gzip -dc > "$t/$2"
echo "$3  $t/$2" | sha256sum -c --status || { echo "what arrived is not what was sent" >&2; exit 1; }
chmod 755 "$t/$2"; sync -f "$t/$2"; rm -rf "$d"; mv -T "$t" "$d"; trap - EXIT
"""


def push(host: Host, artifact: Path, directory: str, program: str, sha256: str) -> None:
    """Bring the file ``artifact`` to the host. Raises Failed when it does not arrive whole (disk full, connection)."""
    sh(host, "true")  # what must happen before a first change happens before this one
    raw = StringCommand(
        "flock", "-s", "-o", WORK_LOCK, "sh", "-c", QuoteString(_RECEIVE), "sh",
        *map(QuoteString, (directory, program, sha256)),
    )  # fmt: skip
    client = getattr(host.connector, "client", None)
    if client is None:
        raise Failed(f"{host.name} is not reached over SSH; releases are pushed over SSH only")
    command = make_unix_command_for_host(host.state, host, raw, **privilege(host)).get_raw_value()
    stdin, stdout, stderr = client.exec_command(command)
    said = ""
    stdin.channel.settimeout(_SILENCE)
    try:
        for part in _progress(host, artifact):
            stdin.write(part)
        stdin.channel.shutdown_write()
        stdout.channel.settimeout(_SILENCE)
        stdout.read()  # nothing; it ends when the host is done, or raises when it stays silent
    except TimeoutError as error:
        raise Failed(f"pushing to {directory}: {host.name} was silent for {_SILENCE} s; is the link up?") from error
    except OSError as error:  # the far end stopped reading: its own words below say why
        said = f"{error}; "
    status = stdout.channel.recv_exit_status()
    said += stderr.read().decode(errors="replace").strip()
    if status:
        raise Failed(f"pushing {artifact.stat().st_size >> 20} MB to {directory} failed: {said or f'status {status}'}")


def _progress(host: Host, artifact: Path) -> Iterator[bytes]:
    """The file as a gzip stream, with a line on the screen every few seconds."""
    size, sent, said = artifact.stat().st_size, 0, time.monotonic()
    squeeze = zlib.compressobj(1, wbits=31)  # 31: with gzip's header
    with artifact.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield squeeze.compress(chunk)
            sent += len(chunk)
            if time.monotonic() - said > 3:
                said = time.monotonic()
                host.log(f"pushing: {sent * 100 // size} % of {size >> 20} MB")
    yield squeeze.flush()
