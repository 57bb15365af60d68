"""Every secret of a site, in one encrypted file beside its inventory: ``inventories/<name>.secrets``.

Contract: nothing is written before :meth:`Vault.persist`; a value that was written stays until it is retired.
Rotation overlaps: the new and the old API key or password are both valid until the old one is retired.
"""

from __future__ import annotations

import hmac
import json
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stack import sealed, wholefile
from stack.fields import nearest
from stack.secret import Secret, random_text
from stack.vaultkey import SHORTEST, TEXT, Key, KeySource, refused

_LOG = logging.getLogger("livekit-metal")
_ROTATE = "python -m procedures.secrets INVENTORY rotate"
_RETIRE = "python -m procedures.secrets INVENTORY retire"


class Vault:
    """The secrets of one site; made by :meth:`open`."""

    def __init__(self, path: Path, source: KeySource, found: Key | None, text: bytes | None) -> None:
        self.path = path
        self._source, self._key_is_new, self._text = source, found is None, text
        self._key = found or Key.new(str(source.default))
        saved = sealed.unseal(text, self._key, path).decode() if text is not None else ""
        self._saved = Secret("secrets", saved)
        self._complete = False  # persist() has been called: what the run needs is known
        new = {"api_keys": {}, "passwords": {}, "fingerprint_key": random_text()}
        document: dict[str, Any] = json.loads(saved) if saved else new
        self._api_keys = {k: _api_secret(k, v) for k, v in document["api_keys"].items()}
        self._passwords = {n: [_password(n, v) for v in both] for n, both in document["passwords"].items()}
        self._kept = {n: Secret(n, v) for n, v in document.get("kept", {}).items()}
        self._fingerprint_key = Secret("secrets.fingerprint_key", document["fingerprint_key"])
        self._exports: dict[Path, str] = {}
        self._retired: list[Secret] = []

    @classmethod
    def open(cls, path: Path, *, key: KeySource | None = None) -> Vault:
        """The vault in ``path``; without that file a new one, in memory until :meth:`persist`.

        ``key`` says where the key is looked for, by default as :meth:`KeySource.of` the file's name.
        Raises SiteError: no key, a bad key, the wrong key, an unknown format, a damaged file.
        """
        source = key or KeySource.of(path.stem)
        found, text = source.find(), wholefile.read(path)
        if text is not None and found is None:
            sealed.key_id(text, path)
            fact = f"{path} is encrypted and there is no key ({source.looked_at})"
            raise refused(fact, f"put its key into {source.default} (chmod 600) or set {TEXT}")
        return cls(path, source, found, text)

    def as_saved(self) -> Vault:
        """The same vault as its file has it now, without what was made in memory since it was opened."""
        found = None if self._key_is_new else self._key
        return Vault(self.path, self._source, found, wholefile.read(self.path))

    def __repr__(self) -> str:
        return f"Vault({self.path})"

    @property
    def exists(self) -> bool:
        """Whether there is a file: it was read, or has been written since."""
        return self._text is not None

    @property
    def api_keys(self) -> Mapping[str, Secret]:
        """API key -> secret; all are valid, the first is the current one. A new vault gets one here."""
        if not self._api_keys:
            self._add_api_key()
        return dict(self._api_keys)

    @property
    def api_key(self) -> str:
        """The current API key: what the site's own services use."""
        return next(iter(self.api_keys))

    @property
    def api_secret(self) -> Secret:
        """The secret of :attr:`api_key`."""
        return self.api_keys[self.api_key]

    def passwords(self, name: str) -> tuple[Secret, ...]:
        """The current password ``name``, then the previous one unless retired. Made when first asked for."""
        if name not in self._passwords:
            # It would be on hosts and in no file, and the next run would make another one.
            if self._complete:
                raise RuntimeError(f"password {name!r} was first asked for after persist()")
            self._passwords[name] = [_password(name, random_text())]
        return tuple(self._passwords[name])

    def keep(self, name: str, renewed: Callable[[Secret | None], Secret]) -> Secret:
        """The text ``name``, PEM of a key and its certificate: what ``renewed`` makes of what there is."""
        old = self._kept.get(name)
        new = renewed(old)
        if new != old:
            if self._complete:  # as for a password
                raise RuntimeError(f"{name!r} was made anew after persist()")
            self._kept[name] = new
        return new

    def export(self, path: Path, text: str) -> None:
        """Have :meth:`persist` write ``text``, which is no secret, to ``path``."""
        self._exports[path] = text

    def fingerprint(self, host: str = "") -> str:
        """16 hex digits that stand for this vault (and ``host``) for ever and reveal nothing of it."""
        message = f"livekit-metal fingerprint\0{host}".encode()
        return hmac.digest(self._fingerprint_key.reveal().encode(), message, "sha256").hex()[:16]

    def every_value(self) -> tuple[str, ...]:
        """All that must never be seen, with the vault's key and what this run retired: for leak tests."""
        current = [*self._api_keys.values(), *(s for pair in self._passwords.values() for s in pair)]
        plain = [s.reveal() for s in (*current, *self._retired, self._fingerprint_key, self._key.text)]
        return (*plain, *(line for kept in self._kept.values() for line in _key_lines(kept)))

    def import_api_key(self, key: str, secret: str) -> None:
        """Add a key that applications use already: valid beside the others, current if it is the only one."""
        path = f"secrets.api_keys.{key}"
        if not re.fullmatch(r"[A-Za-z0-9_-]+", key):
            raise refused(f"{key!r} is not an API key", "use letters, digits, _ and -", "secrets.api_keys")
        if len(secret) < SHORTEST:
            fact = f"its secret is shorter than {SHORTEST} characters ({len(secret)})"
            raise refused(fact, f"use a longer one, or a new key: {_ROTATE} api-key", path)
        if not secret.isprintable() or " " in secret:
            raise refused("its secret has blanks or control characters", "check what was pasted", path)
        made = _api_secret(key, secret)
        if self._api_keys.get(key, made) != made:
            raise refused("is known with another secret", f"retire it first: {_RETIRE} api-key {key}", path)
        self._api_keys[key] = made

    def rotate_api_key(self) -> str:
        """Put a new key first and return it. The others stay valid until :meth:`retire_api_key`."""
        return self._add_api_key()

    def retire_api_key(self, key: str) -> None:
        """Drop a key: after the next deploy, tokens made with it are refused."""
        path = f"secrets.api_keys.{key}"
        if key not in self._api_keys:
            raise refused("unknown API key", nearest(key, self._api_keys), path)
        if len(self._api_keys) == 1:
            raise refused("is the only API key", f"make another first: {_ROTATE} api-key", path)
        self._retired.append(self._api_keys.pop(key))

    def rotate_password(self, name: str) -> None:
        """Put a new password first and keep the one before it.

        Refused while an older one is still kept: it would go, and hosts not deployed since may rely on it.
        """
        if len(self._existing(name)) == 2:
            remedy = f"deploy, then retire it: {_RETIRE} {name}"
            raise refused("the previous password is still valid", remedy, f"secrets.passwords.{name}")
        self._passwords[name].insert(0, _password(name, random_text()))

    def knows(self, name: str) -> bool:
        """Whether there is a password ``name`` already (asking for it would make one)."""
        return name in self._passwords

    def set_password(self, name: str, value: str) -> None:
        """Take over a password that somebody else decides, such as that of an external Redis."""
        if not value or not value.isprintable():
            raise refused("is empty or has control characters", "check what was pasted", f"secrets.passwords.{name}")
        old = self._passwords.get(name, [])[:1]
        self._retired += self._passwords.get(name, [])[1:]
        self._passwords[name] = [_password(name, value), *(o for o in old if o.reveal() != value)]

    def retire_password(self, name: str) -> None:
        """Drop the previous password: after the next deploy, it is refused."""
        if len(self._existing(name)) == 1:
            raise refused("has no previous one", "nothing is left to retire", f"secrets.passwords.{name}")
        self._retired.append(self._passwords[name].pop())

    def persist(self, say: Callable[[str], None] = _LOG.warning) -> None:
        """Write what is new; called before the first change on any host, and harmless when called again.

        A key that was generated goes to its file first, so that no secrets file is ever left without its key.
        ``say`` gets one message: what was written where. Raises SiteError when another run wrote meanwhile.
        """
        document = self._document()
        self._complete = True
        for path, told_to_all in self._exports.items():
            if not path.exists() or path.read_text() != told_to_all:
                path.write_text(told_to_all)
        if document == self._saved:
            return
        wholefile.unchanged(self.path, self._text)
        if self._key_is_new:
            self._source.store(self._key)
            self._key_is_new = False
        text = sealed.seal(document.reveal().encode(), self._key)
        wholefile.replace(self.path, text, was=self._text)
        told = f"secrets: wrote {self.path} (encrypted: commit it)"
        if self._text is None:
            told += f"; its key is in {self._key.origin} (never commit that)"
            told += "; keep a copy of the key elsewhere too, without it the secrets are lost"
        self._text, self._saved = text, document
        say(told)

    def _document(self) -> Secret:
        document = {
            "api_keys": {k: s.reveal() for k, s in self.api_keys.items()},  # the order counts
            "passwords": {n: [s.reveal() for s in both] for n, both in self._passwords.items()},
            "fingerprint_key": self._fingerprint_key.reveal(),
        } | ({"kept": {n: s.reveal() for n, s in self._kept.items()}} if self._kept else {})
        return Secret("secrets", json.dumps(document))

    def _existing(self, name: str) -> list[Secret]:
        if name not in self._passwords:
            remedy = nearest(name, self._passwords) if self._passwords else "the first deploy makes them"
            raise refused("unknown password", remedy, f"secrets.passwords.{name}")
        return self._passwords[name]

    def _add_api_key(self) -> str:
        key = f"API{random_text(12)}"
        self._api_keys = {key: _api_secret(key, random_text()), **self._api_keys}
        return key


def _api_secret(key: str, value: str) -> Secret:
    return Secret(f"livekit.keys.{key}", value)


def _key_lines(pem: Secret) -> list[str]:
    """The lines of a private key that are its own: the first says only what kind of key it is."""
    found = re.search(r"-----BEGIN PRIVATE KEY-----\n[^\n]*\n([^-]*)-----END", pem.reveal())
    return found[1].split() if found else []


def _password(name: str, value: str) -> Secret:
    return Secret(f"{name}.password", value)
