"""``{"secret": NAME}`` in what an inventory passes through to a program: the secret of that name.

NAME begins with what it is for (``metrics-…``, ``alerts-…``): nothing that is passed through can have another secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from livekit_metal.core.errors import Problem
from livekit_metal.vault.vault import Vault

_KEY = "secret"


def named(value: object) -> Iterator[str]:
    """The names that ``value`` refers to, at any depth."""
    if isinstance(value, Mapping):
        if set(value) == {_KEY}:
            yield str(value[_KEY])
            return
        value = value.values()
    if isinstance(value, Iterable) and not isinstance(value, str):
        for each in value:
            yield from named(each)


def problems(value: object, prefix: str, path: str) -> Iterator[Problem]:
    """What is wrong with the names in ``value``, which stands at ``path``."""
    for name in dict.fromkeys(named(value)):
        if not re.fullmatch(rf"{prefix}-[a-z0-9-]+", name, re.ASCII):
            yield Problem(path, f"{name!r} is no secret of its own", f"call it {prefix}-NAME, of a-z, 0-9 and -")


def unknown(value: object, vault: Vault, path: str) -> Iterator[Problem]:
    """The names in ``value`` that the secrets file does not have."""
    for name in dict.fromkeys(named(value)):
        if not vault.knows(name):
            remedy = f"store it: python -m procedures.secrets INVENTORY set {name}"
            yield Problem(path, f"there is no secret {name!r}", remedy)


def revealed(value: Any, vault: Vault | None) -> Any:
    """``value`` with the secrets in the places of their names. Raises RuntimeError without a vault."""
    if isinstance(value, Mapping):
        if set(value) == {_KEY}:
            if vault is None:
                raise RuntimeError("there are no secrets yet")
            return vault.passwords(str(value[_KEY]))[0].reveal()
        return {key: revealed(each, vault) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [revealed(each, vault) for each in value]
    return value
