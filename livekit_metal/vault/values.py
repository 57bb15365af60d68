"""The values of a vault: asked for, made, rotated with an overlap, retired.

Contract: a value that was written stays until it is retired. Rotation overlaps: the new and the old API key or
password are both valid until the old one is retired.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping

from livekit_metal.core.fields import nearest
from livekit_metal.core.types.secret import Secret, random_text
from livekit_metal.vault.document import Document, api_secret, password
from livekit_metal.vault.key import SHORTEST, refused

DAEMONS = "daemons"  # the name under which the secrets of their API keys are kept, as passwords are
_ROTATE = "python -m procedures.secrets INVENTORY rotate"
_RETIRE = "python -m procedures.secrets INVENTORY retire"


class Values:
    """What a site's secrets are, whatever file they are in."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._complete = False  # persist() has been called: what the run needs is known
        self._retired: list[Secret] = []

    @property
    def api_keys(self) -> Mapping[str, Secret]:
        """API key -> secret; all are valid, the first is the current one. A new vault gets one here."""
        if not self._document.api_keys:
            self._add_api_key()
        return dict(self._document.api_keys)

    @property
    def api_key(self) -> str:
        """The current API key: what the site's own services use."""
        return next(iter(self.api_keys))

    @property
    def api_secret(self) -> Secret:
        """The secret of :attr:`api_key`."""
        return self.api_keys[self.api_key]

    @property
    def daemon_keys(self) -> Mapping[str, Secret]:
        """API keys of the daemons beside livekit-server, the current one first, whether they use them yet or not."""
        return {_key_of(secret): secret for secret in self.passwords(DAEMONS)}

    @property
    def used_by_daemons(self) -> tuple[str, Secret]:
        """API key and secret of the daemons beside livekit-server: the applications' until :meth:`separate`."""
        keys = self.api_keys if self.apart is None else self.daemon_keys
        return next(iter(keys.items()))

    @property
    def keys_of_nodes(self) -> Mapping[str, Secret]:
        """Every API key that livekit-server is to know: the applications', the current one first, and the daemons'."""
        return {**self.api_keys, **self.daemon_keys}

    @property
    def apart(self) -> int | None:
        """The serial that a node must have been deployed with to know the daemons' key; None: they use none."""
        return self._document.apart

    def separate(self) -> None:
        """Have the daemons beside livekit-server use their own API key.

        Raises SiteError where no deploy has put the key into the file: no livekit-server can know it.
        """
        if self._document.apart is not None:
            raise refused("have an API key of their own", "there is nothing to do", "daemons")
        if not self.knows(DAEMONS):
            raise refused("have no API key of their own yet", "deploy: that makes it and tells every node", "daemons")
        self._document.apart = self._document.serial

    def join(self) -> None:
        """Have the daemons beside livekit-server use the applications' API key again, which every node knows."""
        if self._document.apart is None:
            raise refused("use the applications' API key", "there is nothing to do", "daemons")
        self._document.apart = None

    def passwords(self, name: str) -> tuple[Secret, ...]:
        """The current password ``name``, then the previous one unless retired. Made when first asked for."""
        if name not in self._document.passwords:
            # It would be on hosts and in no file, and the next run would make another one.
            if self._complete:
                raise RuntimeError(f"password {name!r} was first asked for after persist()")
            self._document.passwords[name] = [password(name, random_text())]
        return tuple(self._document.passwords[name])

    def keep(self, name: str, renewed: Callable[[Secret | None], Secret]) -> Secret:
        """The text ``name``, PEM of a key and its certificate: what ``renewed`` makes of what there is."""
        old = self._document.kept.get(name)
        new = renewed(old)
        if new != old:
            if self._complete:  # as for a password
                raise RuntimeError(f"{name!r} was made again after persist()")
            self._document.kept[name] = new
        return new

    def kept(self, name: str) -> Secret | None:
        """The text ``name`` of :meth:`keep`, if there is one."""
        return self._document.kept.get(name)

    def drop(self, name: str) -> Secret:
        """Give up the text ``name`` of :meth:`keep`, and return it."""
        self._end(dropped := self._document.kept.pop(name))
        return dropped

    def every_value(self) -> tuple[str, ...]:
        """All that must never be seen, with what this run retired: for leak tests."""
        current = [*self._document.api_keys.values(), *(s for pair in self._document.passwords.values() for s in pair)]
        plain = [s.reveal() for s in (*current, *self._retired, self._document.fingerprint_key)]
        pems = (*self._document.kept.values(), *self._retired)
        return (*plain, *(line for kept in pems for line in _key_lines(kept)))

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
        made = api_secret(key, secret)
        if self._document.api_keys.get(key, made) != made:
            raise refused("is known with another secret", f"retire it first: {_RETIRE} api-key {key}", path)
        self._document.api_keys[key] = made
        self._document.revive(made)

    def rotate_api_key(self) -> str:
        """Put a new key first and return it. The others stay valid until :meth:`retire_api_key`."""
        return self._add_api_key()

    def retire_api_key(self, key: str) -> None:
        """Drop a key: after the next deploy, tokens made with it are refused."""
        path = f"secrets.api_keys.{key}"
        if key not in self._document.api_keys:
            raise refused("unknown API key", nearest(key, self._document.api_keys), path)
        if len(self._document.api_keys) == 1:
            raise refused("is the only API key", f"make another first: {_ROTATE} api-key", path)
        self._end(self._document.api_keys.pop(key))

    def rotate_password(self, name: str) -> None:
        """Put a new password first and keep the one before it.

        Refused while an older one is still kept: it would go, and hosts not deployed since may rely on it.
        """
        if len(self._existing(name)) > 1:
            remedy = f"deploy, then retire it: {_RETIRE} {name}"
            raise refused("the previous password is still valid", remedy, f"secrets.passwords.{name}")
        self._document.passwords[name].insert(0, password(name, random_text()))

    def knows(self, name: str) -> bool:
        """Whether there is a password ``name`` already (asking for it would make one)."""
        return name in self._document.passwords

    def set_password(self, name: str, value: str) -> None:
        """Take over a password that somebody else decides, such as that of an external Redis."""
        if not value or not value.isprintable():
            raise refused("is empty or has control characters", "check what was pasted", f"secrets.passwords.{name}")
        old = self._document.passwords.get(name, [])[:1]
        for each in self._document.passwords.get(name, [])[1:]:
            self._end(each)
        new = password(name, value)
        self._document.revive(new)
        self._document.passwords[name] = [new, *(o for o in old if o.reveal() != value)]

    def retire_password(self, name: str) -> None:
        """Drop the previous password: after the next deploy, it is refused."""
        if len(self._existing(name)) == 1:
            raise refused("has no previous one", "nothing is left to retire", f"secrets.passwords.{name}")
        self._end(self._document.passwords[name].pop())

    def _end(self, value: Secret) -> None:
        self._retired.append(value)
        self._document.end(value)

    def _existing(self, name: str) -> list[Secret]:
        if name not in self._document.passwords:
            remedy = (
                nearest(name, self._document.passwords) if self._document.passwords else "the first deploy makes them"
            )
            raise refused("unknown password", remedy, f"secrets.passwords.{name}")
        return self._document.passwords[name]

    def _add_api_key(self) -> str:
        key = f"API{random_text(12)}"
        self._document.api_keys = {key: api_secret(key, random_text()), **self._document.api_keys}
        return key


def _key_of(secret: Secret) -> str:
    """The API key with ``secret`` among those of daemons; it goes with the secret as a user of Redis does."""
    return f"APIdaemons{hashlib.sha256(secret.reveal().encode()).hexdigest()[:8]}"


def _key_lines(pem: Secret) -> list[str]:
    """The lines of a private key that are its own: the first says only what kind of key it is."""
    found = re.search(r"-----BEGIN PRIVATE KEY-----\n[^\n]*\n([^-]*)-----END", pem.reveal())
    return found[1].split() if found else []
