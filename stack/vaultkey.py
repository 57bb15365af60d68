"""The key of a vault: 32 random bytes, written as 43 characters of base64url.

Looked for in this order, and the first that is set decides, with no fallback to the next: the environment
variable ``LIVEKIT_METAL_KEY``, the file that ``LIVEKIT_METAL_KEY_FILE`` names, and
``$XDG_CONFIG_HOME/livekit-metal/<name>.key``. A passphrase is no key: the file that it would protect may lie
in a public repository, where guessing costs nothing.
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

from stack import wholefile
from stack.errors import Problem, SiteError
from stack.secret import Secret

TEXT, FILE = "LIVEKIT_METAL_KEY", "LIVEKIT_METAL_KEY_FILE"
SHORTEST = 32  # characters; what is shorter is a password somebody thought of
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
        env = os.environ if environ is None else environ
        # The XDG base directory specification has relative paths ignored.
        config = Path(env.get("XDG_CONFIG_HOME", ""))
        config = config if config.is_absolute() else Path.home() / ".config"
        return cls(
            text=Secret(TEXT, env[TEXT]) if TEXT in env else None,
            file=Path(env[FILE]).expanduser() if FILE in env else None,
            default=config / "livekit-metal" / f"{name}.key",
        )

    def find(self) -> Key | None:
        """The key, or None when no variable is set and the default file does not exist. Raises SiteError."""
        if self.text is not None:
            return Key.parse(self.text.reveal(), TEXT)
        path = self.file or self.default
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

    def store(self, key: Key) -> None:
        """Write ``key`` to the default file, 0600. Raises SiteError when that has appeared meanwhile."""
        try:
            self.default.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            fact = f"{self.default.parent} cannot be made ({error.strerror})"
            raise refused(fact, f"make it, or set {TEXT}") from None
        wholefile.replace(self.default, f"{key.text.reveal()}\n".encode(), was=None)

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
