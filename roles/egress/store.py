"""The store of recordings as a host reaches it, with the very credentials that egress gets. rclone does the work.

It speaks all four kinds, compares checksums, and uploads what is larger than a single request may be. The credentials
come by standard input and go into its environment: they are in no argument list and in no file.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.roles.egress.settings import Settings
from livekit_metal.roles.egress.storage import Storage
from livekit_metal.runtime.host.commands import HostError, run

_REMOTE = "store"  # as in scripts/rclone.sh
_PROVE, _DELIVER = (shell.program(__file__, "rclone", name) for name in ("prove", "deliver"))
LONGEST = 24 * 3600  # s for a delivery

_ERROR = re.compile(r"(?: ERROR : |Failed to )(?:.*?Failed to \w+: )?(.+)(?:\n\tstatus code: (\d+)|\ncaused by: (.*))?")
_KEYS = ("SignatureDoesNotMatch", "InvalidAccessKeyId", "UserNotFound", "AuthenticationFailed", "invalid_grant")
# What a store says, and what to do about it.
_REMEDIES = (
    (("NoSuchBucket", "ContainerNotFound", "bucket doesn't exist"), "make the bucket, or correct its name"),
    (("immutable file modified",), "the store has another file of that name: compare, then remove or rename one"),
    (("AccessDenied", "403"), "allow these keys to put, get and delete objects there"),
    (("x509: certificate signed by unknown authority",), "name the file with its CA: trust"),
    (("dial tcp", "lookup", "timeout", "deadline"), "correct endpoint, or let the host get there"),
)


def prove(host: Host, settings: Settings, *, system: str = "") -> None:
    """Write, read and delete an object from ``host``. Raises HostError, as ``path: fact; remedy``.

    ``system`` is the file with the CAs of the image that egress runs in; '' for those of the host.
    """
    kind = settings.storage.kind
    name = f"{_target(settings)}livekit-metal-probe-{secrets.token_hex(8)}"
    try:
        words = (name, f"written by {host.name}", settings.as_user, *filter(None, (system,)))
        run(host, _PROVE, *words, stdin=_credentials(settings))
    except HostError as error:
        step, _, said = str(error).partition("\n")
        where = name.rpartition("/")[0].removeprefix(f"{_REMOTE}:")
        fact = f"{host.name} cannot {step} an object in {where}: {reason(said)}"
        raise HostError(f"egress.storage.{kind}: {fact}; {remedy(said, settings.storage)}") from error


def deliver(host: Host, settings: Settings) -> str:
    """Move what an upload left behind to the store; how much. Raises HostError when some of it has to stay."""
    words = (f"{settings.state}/backup", _target(settings), settings.as_user)
    try:
        return run(host, _DELIVER, *words, stdin=_credentials(settings), timeout=LONGEST).strip()
    except HostError as error:
        again = "and run the same again: what did not get there is still here"
        said = str(error)
        raise HostError(f"{words[0]}: {reason(said)}; {remedy(said, settings.storage)}, {again}") from error


def reason(said: str) -> str:
    """The heart of what rclone says: its first error with what caused it, without time, retries and request number."""
    found = _ERROR.search(said)
    if not found:
        return " ".join(said.split())[-300:] or "rclone says nothing"
    return f"{found[1]}{f' ({more})' if (more := found[2] or found[3]) else ''}".rstrip(".")


def remedy(said: str, storage: Storage) -> str:
    """What to do about it."""
    if any(word in said for word in _KEYS):
        name = storage.wants
        return f"correct the keys (the secret one: python -m procedures.secrets INVENTORY set {name})"
    known = (told for words, told in _REMEDIES if any(word in said for word in words))
    return next(known, "see what the store has against it")


def _target(settings: Settings) -> str:
    """Where egress puts objects, in rclone's words, up to and with the prefix."""
    return f"{_REMOTE}:{settings.storage.container}/{settings.storage.prefix}"


def _credentials(settings: Settings) -> str:
    secret = settings.storage_secret.reveal() if settings.storage_secret else ""
    return _lines(settings.storage.rclone(secret).items()) + settings.trusted


def _lines(words: Iterable[tuple[str, str]]) -> str:
    return "".join(f"{name.upper()}={value}\n" for name, value in words) + "\n"
