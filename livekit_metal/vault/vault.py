"""Every secret of a site, in one encrypted file beside its inventory: ``inventories/<name>.secrets``.

Contract: nothing is written before :meth:`Vault.persist`. Values and their rotation: values.py.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from livekit_metal.core import atomic_file
from livekit_metal.vault import encryption, union
from livekit_metal.vault.document import Document, State
from livekit_metal.vault.key import TEXT, Key, KeySource, refused
from livekit_metal.vault.values import Values

_LOG = logging.getLogger("livekit-metal")


class Vault(Values):
    """The secrets of one site; made by :meth:`open`."""

    def __init__(self, path: Path, source: KeySource, found: Key | None, text: bytes | None) -> None:
        self.path = path
        self._source, self._key_is_new, self._text = source, found is None, text
        self._key = found or Key.new(str(source.default))
        super().__init__(Document.parse(encryption.unseal(text, self._key, path).decode()) if text else Document.new())
        self._state = self._document.state  # of the file
        self._above = 0  # the serial that the next one must exceed
        self._exports: dict[Path, str] = {}

    @classmethod
    def open(cls, path: Path, *, key: KeySource | None = None) -> Vault:
        """The vault in ``path``; without that file a new one, in memory until :meth:`persist`.

        ``key`` says where the key is looked for, by default as :meth:`KeySource.of` the file's name.
        Raises SiteError: no key, a bad key, the wrong key, an unknown format, a damaged file.
        """
        source = key or KeySource.of(path.stem)
        text = atomic_file.read(path)
        found = source.find() if text is None else source.find_for(encryption.key_id(text, path))
        if text is not None and found is None:
            fact = f"{path} is encrypted and there is no key ({source.looked_at})"
            raise refused(fact, f"put its key into {source.default} (chmod 600) or set {TEXT}")
        return cls(path, source, found, text)

    def as_saved(self) -> Vault:
        """The same vault as its file has it now, without what was made in memory since it was opened."""
        found = None if self._key_is_new else self._key
        return Vault(self.path, self._source, found, atomic_file.read(self.path))

    def another(self, path: Path) -> Vault:
        """A copy of this site's file, with whatever key of this one or of an earlier rekey it needs."""
        if (text := atomic_file.read(path)) is None:
            raise refused(f"there is no {path}", "name another copy of this site's secrets file")
        return Vault(
            path, self._source, self._source.find_for(encryption.key_id(text, path), earlier=True) or self._key, text
        )

    def __repr__(self) -> str:
        return f"Vault({self.path})"

    @property
    def exists(self) -> bool:
        """Whether there is a file: it was read, or has been written since."""
        return self._text is not None

    def every_value(self) -> tuple[str, ...]:
        """As Values has them, and the vault's key."""
        return (*super().every_value(), self._key.text.reveal())

    def export(self, path: Path, text: str) -> None:
        """Have :meth:`persist` write ``text``, which is no secret, to ``path``."""
        self._exports[path] = text

    def fingerprint(self, host: str = "") -> str:
        """16 hex digits that stand for this vault (and ``host``) for ever and reveal nothing of it."""
        return self._document.keyed("fingerprint", host)

    @property
    def state(self) -> State:
        """How far the file has come as it was read: deployed hosts must not have come further."""
        return self._state

    @property
    def coming(self) -> State:
        """How far the file will have come with :meth:`persist`: what hosts are to keep."""
        return State(self._serial(), self._document.content)

    def supersede(self, serial: int) -> None:
        """Have the file count as newer than one of ``serial``, although it is older: the operator wants it so."""
        self._above = max(self._above, serial)

    def persist(self, say: Callable[[str], None] = _LOG.warning) -> None:
        """Write what is new; called before the first change on any host, and harmless when called again.

        A key that was generated goes to its file first, so that no secrets file is ever left without its key.
        ``say`` gets one message: what was written where. Raises SiteError when another run wrote meanwhile.
        """
        if not self._document.api_keys:
            self._add_api_key()
        self._complete = True
        self._source.finish(self._key)
        if self._serial() != self._state.serial or self._text is None or encryption.is_old(self._text, self.path):
            self._write(self._key, say)
        for path, told_to_all in self._exports.items():
            if (was := atomic_file.read(path)) != told_to_all.encode():
                atomic_file.replace(path, told_to_all.encode(), was=was, mode=0o644)

    def rekey(self, say: Callable[[str], None] = _LOG.warning) -> None:
        """Encrypt the file with a new key; every value stays. Killed anywhere, the file opens with what there is.

        Raises SiteError where the key is not in a file of its own.
        """
        self._source.can_be_replaced()
        self.persist(say)
        key = Key.new(str(self._source.path))
        self._source.prepare(key)
        self._write(key, lambda _: None)
        earlier = self._source.finish(key)
        told = f"secrets: {self.path} has another key (commit the file): {self._source.path}; give it to all who deploy"
        say(f"{told}; the one before is in {earlier}, for copies of the file from before: remove it when none matters")

    def unite(self, other: Vault) -> list[str]:
        """Take in what another file of the same site has and this one does not; what was done, line by line.

        Raises SiteError for what cannot be united.
        """
        told = union.unite(self._document, other._document)
        self.supersede(max(self.state.serial, other.state.serial))
        return told

    def _serial(self) -> int:
        """The serial of the file with what is in memory."""
        same = self._document.content == self._state.content and self._above < self._state.serial
        return self._state.serial if same else max(self._state.serial, self._above) + 1

    def _write(self, key: Key, say: Callable[[str], None]) -> None:
        atomic_file.unchanged(self.path, self._text)
        if self._key_is_new:
            self._source.store(key)
            self._key_is_new = False
        self._document.follow(self._state, self._serial())
        text = encryption.seal(self._document.text.reveal().encode(), key)
        atomic_file.replace(self.path, text, was=self._text)
        told = f"secrets: wrote {self.path} (encrypted: commit it)"
        if self._text is None:
            told += f"; its key is in {key.origin} (never commit that)"
            told += "; keep a copy of the key elsewhere too, without it the secrets are lost"
        self._text, self._key, self._state = text, key, self._document.state
        say(told)
