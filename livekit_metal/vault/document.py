"""What a secrets file holds once it is opened: the values, and how far the file has come.

Contract: keys that this version does not know survive a rewrite. ``serial`` counts the writes that changed a value;
``content`` is a keyed hash of everything else. With both, a host can tell an older file from a newer one, and two
files that went apart from one that was only changed further.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from livekit_metal.core.types.secret import Secret, random_text

REMEMBERED = 100  # serials, and ended values: more than anybody changes between two deploys of a host
_OWN = ("api_keys", "passwords", "kept", "fingerprint_key", "ended", "serial", "before", "apart")


@dataclass(frozen=True, slots=True)
class State:
    """How far a secrets file has come, as hosts keep it: ``serial`` and the hash of what it held then.

    ``before`` has the hashes of earlier serials; there may be several for one, where two files were united.
    """

    serial: int
    content: str
    before: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.serial} {self.content}"

    def against(self, host: str) -> str:
        """What is wrong with deploying this file on a host that has the line ``host``: '', 'older' or 'apart'."""
        serial, _, content = host.strip().partition(" ")
        if not serial.isdecimal() or not content:
            return ""  # a host of an earlier version, or of nobody
        if int(serial) > self.serial:
            return "older"
        known = (self.content,) if int(serial) == self.serial else self.before.get(int(serial), ())
        forgotten = int(serial) < min(self.before, default=self.serial)
        return "" if content in known or forgotten else "apart"


@dataclass(slots=True)
class Document:
    """The values of a vault. Made by :meth:`new` or :meth:`parse`."""

    api_keys: dict[str, Secret]  # the first is the current one
    passwords: dict[str, list[Secret]]  # the current one, then what it replaced and is still valid
    kept: dict[str, Secret]  # PEM
    fingerprint_key: Secret
    ended: list[str]  # hashes of retired values: they do not come back when two files are united
    serial: int  # 0: never written
    before: dict[int, tuple[str, ...]]
    apart: int | None  # the serial by which a node knows the daemons' API key; None: they use the applications'
    others: Secret  # JSON: what a newer version has put there

    @classmethod
    def new(cls) -> Document:
        """The document of a site that has no secrets yet."""
        return cls({}, {}, {}, Secret("secrets.fingerprint_key", random_text()), [], 0, {}, 0, Secret("secrets", "{}"))

    @classmethod
    def parse(cls, text: str) -> Document:
        """A document as it is in a file. One of an earlier version, which had no serial, counts as the first."""
        found: dict[str, Any] = json.loads(text)
        return cls(
            {k: api_secret(k, v) for k, v in found["api_keys"].items()},
            {n: [password(n, v) for v in values] for n, values in found["passwords"].items()},
            {n: Secret(n, v) for n, v in found.get("kept", {}).items()},
            Secret("secrets.fingerprint_key", found["fingerprint_key"]),
            list(found.get("ended", ())),
            found.get("serial", 1),
            {int(s): tuple(each) for s, each in found.get("before", {}).items()},
            found.get("apart"),
            Secret("secrets", json.dumps({k: v for k, v in found.items() if k not in _OWN})),
        )

    @property
    def text(self) -> Secret:
        """The whole as JSON."""
        whole = self._values() | {"serial": self.serial, "before": {str(s): each for s, each in self.before.items()}}
        return Secret("secrets", json.dumps(whole))

    @property
    def content(self) -> str:
        """16 hex digits that change with any value, whichever version of livekit-metal wrote it."""
        values = self._values()
        values["api_keys"] = list(values["api_keys"].items())  # the order counts
        return self.keyed("content", json.dumps(values, sort_keys=True))

    @property
    def state(self) -> State:
        return State(self.serial, self.content, dict(self.before))

    def follow(self, earlier: State, serial: int) -> None:
        """Count this as the successor of ``earlier``, under ``serial``."""
        if earlier.serial and earlier.serial != serial:
            known = self.before.get(earlier.serial, ())
            self.before[earlier.serial] = tuple(dict.fromkeys((*known, earlier.content)))
        self.before = dict(sorted(self.before.items())[-REMEMBERED:])
        self.serial = serial

    def keyed(self, what: str, text: str) -> str:
        """16 hex digits that stand for ``text`` and reveal nothing of it."""
        message = f"livekit-metal {what}\0{text}".encode()
        return hmac.digest(self.fingerprint_key.reveal().encode(), message, "sha256").hex()[:16]

    def end(self, value: Secret) -> None:
        """Remember that ``value`` was retired."""
        self.ended = [*self.ended, self._mark(value)][-REMEMBERED:]

    def revive(self, value: Secret) -> None:
        """Forget that ``value`` was retired: it has been put there again, on purpose."""
        self.ended = [each for each in self.ended if each != self._mark(value)]

    def has_ended(self, value: Secret) -> bool:
        return self._mark(value) in self.ended

    def _mark(self, value: Secret) -> str:
        return self.keyed("ended", f"{value.label}\0{value.reveal()}")

    def _values(self) -> dict[str, Any]:
        known: dict[str, Any] = {
            "api_keys": {k: s.reveal() for k, s in self.api_keys.items()},
            "passwords": {n: [s.reveal() for s in values] for n, values in self.passwords.items()},
            "fingerprint_key": self.fingerprint_key.reveal(),
        }
        for name, value in (("kept", {n: s.reveal() for n, s in self.kept.items()}), ("ended", self.ended)):
            if value:
                known[name] = value
        if self.apart is not None:
            known["apart"] = self.apart
        return known | dict(json.loads(self.others.reveal()))


def api_secret(key: str, value: str) -> Secret:
    return Secret(f"livekit.keys.{key}", value)


def password(name: str, value: str) -> Secret:
    return Secret(f"{name}.password", value)
