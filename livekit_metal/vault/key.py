"""The key of a vault: 32 random bytes, written as 43 characters of base64url.

Looked for in this order, and the first that is set decides, with no fallback to the next: the environment
variable ``LIVEKIT_METAL_KEY``, the file that ``LIVEKIT_METAL_KEY_FILE`` names, and
``$XDG_CONFIG_HOME/livekit-metal/<name>.key``. A passphrase is no key: the file that it would protect may lie
in a public repository, where guessing costs nothing.

``LIVEKIT_METAL_KEY`` leaves the environment when it is read: no program that this one starts gets to see it.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from livekit_metal.core import atomic_file, user_dirs
from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.core.types.secret import Secret

TEXT, FILE = "LIVEKIT_METAL_KEY", "LIVEKIT_METAL_KEY_FILE"
SHORTEST = 32  # characters; what is shorter is a password somebody thought of
_held: dict[str, str] = {}  # what stood in the environment, for those who ask again in this process
MAKE = 'make one with: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'


def refused(fact: str, remedy: str, path: str = "secrets") -> SiteError:
    """The error of everything that is wrong with a vault or its key."""
    return SiteError([Problem(path, fact, remedy)])


@dataclass(frozen=True, slots=True)
class Key:
    """A sound key and where it came from (a variable's name or a path)."""

    text: Secret
    origin: str

    @classmethod
    def parse(cls, text: str, origin: str) -> Key:
        """Raises SiteError for anything that is not 43 characters of base64url (a final ``=`` may follow)."""
        text = text.strip()
        if len(text) < SHORTEST:
            raise refused(f"the key in {origin} is shorter than {SHORTEST} characters ({len(text)})", MAKE)
        if not re.fullmatch(r"[A-Za-z0-9_-]{43}=?", text):
            raise refused(f"{origin} holds no key (43 characters of base64url)", MAKE)
        return cls(Secret("secrets.key", text), origin)

    @classmethod
    def new(cls, origin: str) -> Key:
        return cls(Secret("secrets.key", secrets.token_urlsafe(32)), origin)

    @property
    def raw(self) -> bytes:
        """The 32 bytes."""
        return base64.urlsafe_b64decode(self.text.reveal()[:43] + "=")

    @property
    def id(self) -> str:
        """16 hex digits that tell keys apart; a hash of 32 random bytes cannot be turned back."""
        return hashlib.sha256(b"livekit-metal key id\0" + self.raw).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySource:
    """Where the key of one vault is looked for."""

    text: Secret | None
    file: Path | None
    default: Path

    @classmethod
    def of(cls, name: str, environ: Mapping[str, str] | None = None) -> KeySource:
        """The sources of the vault ``<name>.secrets``. A variable that is set but empty counts as set."""
        if environ is None:
            if TEXT in os.environ:
                _held[TEXT] = os.environ.pop(TEXT)
            environ = {**os.environ, **_held}
        env = environ
        return cls(
            text=Secret(TEXT, env[TEXT]) if TEXT in env else None,
            file=Path(env[FILE]).expanduser() if FILE in env else None,
            default=user_dirs.config(env) / f"{name}.key",
        )

    def find(self) -> Key | None:
        """The key, or None when no variable is set and the default file does not exist. Raises SiteError."""
        if self.text is not None:
            return Key.parse(self.text.reveal(), TEXT)
        path = self.path
        try:
            return Key.parse(_read_private(path), str(path))
        except FileNotFoundError:
            if self.file is None:
                return None
            raise refused(f"{FILE} names {path}, which does not exist", "correct or unset it") from None
        except UnicodeDecodeError:
            raise refused(f"{path} holds no key (43 characters of base64url)", MAKE) from None
        except OSError as error:
            fact = f"the key file {path} cannot be read ({error.strerror})"
            raise refused(fact, "make it readable to you") from None

    def find_for(self, wanted: str, *, earlier: bool = False) -> Key | None:
        """The key, or the one with the id ``wanted`` that a rekey which was killed left beside it.

        ``earlier``: also one that a rekey has replaced. As :meth:`find` otherwise.
        """
        found = self.find()
        if found is None or found.id == wanted or self.text is not None:
            return found
        for path in (self._next, *([self._earlier(wanted)] if earlier else [])):
            try:
                other = Key.parse(_read_private(path), str(path))
            except (OSError, SiteError, UnicodeDecodeError):
                continue
            if other.id == wanted:
                return other
        return found

    def store(self, key: Key) -> None:
        """Write ``key`` to the default file, 0600. Raises SiteError when that has appeared meanwhile."""
        try:
            self.default.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            fact = f"{self.default.parent} cannot be made ({error.strerror})"
            raise refused(fact, f"make it, or set {TEXT}") from None
        atomic_file.replace(self.default, _line(key), was=None)

    def can_be_replaced(self) -> None:
        """Raises SiteError unless the key is in a file that another one can go to."""
        if self.text is not None:
            remedy = (
                f"write it to a file (chmod 600), unset {TEXT}, set {FILE} to the file and rekey: the file then has"
            )
            raise refused(f"the key is in {TEXT}, which a program cannot change", f"{remedy} what the variable must be")
        if not self.path.is_file():
            raise refused(
                f"the key comes from {self.path}, which is not a file", f"write it to one and set {FILE} to that"
            )

    def prepare(self, key: Key) -> None:
        """Put ``key`` beside the present one, before anything is encrypted with it."""
        atomic_file.replace(self._next, _line(key), was=atomic_file.read(self._next))

    def finish(self, key: Key) -> Path | None:
        """If ``key`` is the one of :meth:`prepare`, have it take the place of the one before; where that is then."""
        if self.text is not None or (new := atomic_file.read(self._next)) != _line(key):
            return None
        old = Key.parse(_read_private(self.path), str(self.path))
        if old.id == key.id:
            self._next.unlink()
            return None
        was, earlier = _line(old), self._earlier(old.id)
        atomic_file.replace(earlier, was, was=atomic_file.read(earlier))
        atomic_file.replace(self.path, new, was=atomic_file.read(self.path))
        self._next.unlink()
        return earlier

    @property
    def path(self) -> Path:
        """The file that the key is in, unless a variable has it."""
        return self.file or self.default

    @property
    def _next(self) -> Path:
        return self.path.with_name(f".{self.path.stem}.new{self.path.suffix}")

    def _earlier(self, key_id: str) -> Path:
        # what keeps the key out of version control by its suffix keeps this one out, too
        return self.path.with_name(f"{self.path.stem}.{key_id}{self.path.suffix}")

    @property
    def looked_at(self) -> str:
        """The places of :meth:`find`, for a message."""
        return f"{TEXT} and {FILE} are not set, {self.default} does not exist"


def _read_private(path: Path) -> str:
    with path.open(encoding="ascii") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            fact = f"the key file {path} is open to other users (mode {mode:04o})"
            raise refused(fact, f"run: chmod 600 {path}")
        return file.read()


def _line(key: Key) -> bytes:
    return f"{key.text.reveal()}\n".encode()
