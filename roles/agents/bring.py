"""A release on a host: DIRECTORY/site (packages, with their bytecode) and DIRECTORY/code. Complete, or not there."""

from __future__ import annotations

from pathlib import Path

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.roles.agents.build import Bundle
from livekit_metal.runtime.artifacts.push import pieces, progress, send, squeezed
from livekit_metal.runtime.artifacts.store import sha256_of
from livekit_metal.runtime.host.commands import HostError, run

_BORROW = shell.program(__file__, "borrow")
_RECEIVE = shell.program(__file__, "receive")
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
    parts = squeezed(progress(host, pieces(archive), max(size, 1)))
    words = (*args, str((size >> 10) * _GROWS // 10), packages)
    send(host, _RECEIVE, words, parts, f"{size >> 20} MB to {directory}")
