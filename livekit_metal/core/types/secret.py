"""A text that must not be seen.

Contract: the value leaves a :class:`Secret` through ``reveal()`` and through nothing else.
"""

from __future__ import annotations

import hmac
import secrets
import string
from typing import Any, NoReturn


class Secret:
    """``value`` under a ``label`` that says what it is; prints as ``Secret(label)``.

    repr, str, format, f-strings, ``%s``, a template's ``{{ x }}`` and pyinfra's JSON (``to_json``) give that;
    ``json.dumps``, pickle and YAML raise TypeError. No dataclass: ``dataclasses.asdict`` would open it.
    """

    __slots__ = ("_value", "label")

    label: str
    _value: str

    def __init__(self, label: str, value: str) -> None:
        object.__setattr__(self, "label", label)
        object.__setattr__(self, "_value", value)

    def reveal(self) -> str:
        """The text itself. Search for this name to find every place where a secret comes out."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.label})"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def to_json(self) -> str:
        """What pyinfra's ``--json`` and ``debug-inventory`` print."""
        return repr(self)

    def __eq__(self, other: object) -> bool:
        """Same label and same value; the time taken says nothing about the value."""
        if not isinstance(other, Secret):
            return NotImplemented
        same = hmac.compare_digest(self._value.encode(), other._value.encode())
        return same and self.label == other.label

    def __hash__(self) -> int:
        return hash(self.label)  # a hash of the value would tell equal secrets apart from others

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{self!r} cannot be changed")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"{self!r} is not pickled; reveal() it where it is needed")


def random_text(length: int = 43) -> str:
    """``length`` letters and digits; 43 are 256 bits. It needs no quoting and reads as no option."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))
