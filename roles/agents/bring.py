"""A release on a host: DIRECTORY/site (packages, with their bytecode) and DIRECTORY/code. Complete, or not there."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from pyinfra.api.host import Host

from livekit_metal.roles.agents.build import Bundle
from livekit_metal.runtime.artifacts.push import progress, send
from livekit_metal.runtime.artifacts.store import sha256_of
from livekit_metal.runtime.host.commands import HostError, run

_CHUNK = 1 << 20
# $1 directory, $2 what the packages are. Another release with the same ones lends them: files that nobody changes.
_BORROW = r"""set -eu; umask 022; d=$1; t=$1.lkm-new; mkdir -p "${d%/*}"; rm -rf "${d%/*}"/*.lkm-new
for each in "${d%/*}"/*/packages; do
  [ -e "$each" ] && [ "$(cat "$each")" = "$2" ] || continue
  mkdir "$t"; cp -al "${each%/*}/site" "$t/site"; printf '%s\n' "$2" >"$t/packages"; echo borrowed; exit
done
"""
# $1 directory, $2 what arrives, $3 its sha256, $4 KiB, $5 what the packages are ('' for the code, which comes last).
# The sum is taken of what tar unpacks while it does. Bytecode is made here, where the very Python is: a worker starts a
# process for each job, and could not write it down itself.
_RECEIVE = r"""set -eu; umask 022; d=$1; t=$1.lkm-new; mkdir -p "$t"; trap 'rm -rf "$t"' EXIT
free=$(df -Pk "${d%/*}" | awk 'NR == 2 { print $4 }')
[ "$free" -gt "$4" ] || { echo "$(($4 >> 10)) MB are needed below ${d%/*}, $((free >> 10)) MB are free" >&2; exit 1; }
rm -rf "$t/$2"; mkfifo "$t/pipe"; sha256sum <"$t/pipe" >"$t/sum" & sum=$!
gzip -dc | tee "$t/pipe" | tar -x --no-same-owner -C "$t" || s=$?
wait "$sum"; trap '' PIPE
[ "${s:-0}" = 0 ] || { echo "tar ended with $s" >&2; exit 1; }
[ "$(cut -c 1-64 "$t/sum")" = "$3" ] || { echo "what arrived is not what was sent" >&2; exit 1; }
rm "$t/pipe" "$t/sum"
python3 -S -m compileall -q -j 0 --invalidation-mode unchecked-hash "$t/$2" >/dev/null 2>&1 || :
if [ -n "$5" ]; then printf '%s\n' "$5" >"$t/packages"; trap - EXIT; exit; fi
sync -f "$t"; rm -rf "$d"; mv -T "$t" "$d"; trap - EXIT
"""
_GROWS = 13  # tenths of what is sent: with bytecode


def bring(host: Host, bundle: Bundle, directory: str) -> None:
    """Bring ``bundle`` to ``directory`` of the host. Raises HostError when it does not arrive whole."""
    if not run(host, _BORROW, directory, bundle.packages_id).strip():
        _send(host, bundle.packages, (directory, "site", bundle.packages_sha256), bundle.packages_id)
    _send(host, bundle.path, (directory, "code", bundle.sha256), "")


def _send(host: Host, archive: Path, args: tuple[str, str, str], packages: str) -> None:
    directory, _, sha256 = args
    try:
        size, whole = archive.stat().st_size, sha256_of(archive)
    except FileNotFoundError:
        raise HostError(f"{archive} is gone; run the same again, it is made again") from None
    if whole != sha256:
        archive.unlink()
        raise HostError(f"{archive} was damaged and is removed; run the same again, it is made again")
    parts = _squeezed(progress(host, _read(archive), max(size, 1)))
    words = (*args, str((size >> 10) * _GROWS // 10), packages)
    send(host, _RECEIVE, words, parts, f"{size >> 20} MB to {directory}")


def _read(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            yield chunk


def _squeezed(parts: Iterator[bytes]) -> Iterator[bytes]:
    squeeze = zlib.compressobj(1, wbits=31)  # 31: with gzip's header
    for part in parts:
        yield squeeze.compress(part)
    yield squeeze.flush()
