"""What a site's trunks mean to the roles: who may call whom, which secrets there must be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from livekit_metal.core.errors import Problem
from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.kamailio.settings import Registration, Source
from livekit_metal.roles.sip.objects import listed, numbers
from livekit_metal.roles.sip.settings import Settings as Sip
from livekit_metal.roles.sip.trunks import is_number
from livekit_metal.vault.vault import Vault


def secrets(sip: Sip, vault: Vault) -> tuple[dict[str, Secret], tuple[str, ...]]:
    """The secrets of trunks and rules by name, and the names of those that nobody has stored yet."""
    names = []
    for name, trunk in sip.trunks.items():
        names += [f"sip-{name}"] if trunk.user else []
        names += [f"sip-{name}-numbers"] if trunk.secret_numbers else []
        names += [f"sip-{name}-outbound"] if trunk.outbound and trunk.outbound.user else []
        names += [f"sip-{name}-register"] if trunk.register else []
    names += [f"sip-rule-{name}" for name, rule in sip.rules.items() if rule.pin]
    known = {name: vault.passwords(name)[0] for name in names if vault.knows(name)}
    return known, tuple(name for name in names if name not in known)


def wrong(sip: Sip, known: Mapping[str, Secret]) -> Iterator[Problem]:
    """What is wrong with numbers and PINs among the secrets, by the inventory's rules. No value is told.

    Not asked when a site is loaded: ``procedures.secrets``, which mends it, loads the site too.
    """
    owners = {number: name for name, trunk in sip.trunks.items() for number in trunk.numbers}
    for name, trunk in sip.trunks.items():
        secret = known.get(key := f"sip-{name}-numbers")
        if trunk.secret_numbers and secret is not None:
            yield from _wrong_numbers(name, key, listed(secret), owners)
    for name, rule in sip.rules.items():
        secret = known.get(key := f"sip-rule-{name}")
        if rule.pin and secret is not None and not re.fullmatch(r"[0-9]+", secret.reveal()):
            yield _unusable(key, "is not a PIN: callers type digits")


def _wrong_numbers(trunk: str, key: str, found: list[str], owners: dict[str, str]) -> Iterator[Problem]:
    if not found:
        yield _unusable(key, "holds no number, so that any could be called")
    for i, number in enumerate(found, 1):
        if not is_number(number):
            yield _unusable(key, f"word {i} of {len(found)} is not a number (as +4930123456; '*' and lists are none)")
        elif (first := owners.setdefault(number, trunk)) != trunk:
            yield _unusable(key, f"word {i} of {len(found)} is also a number of {first}")


def _unusable(key: str, fact: str) -> Problem:
    remedy = f"correct it: python -m procedures.secrets INVENTORY set {key}"
    return Problem(f"secrets.passwords.{key}", fact, remedy)


def sources(sip: Sip, known: Mapping[str, Secret]) -> tuple[Source, ...]:
    """Each network that may call, with the numbers of every trunk that has it."""
    found: dict[str, list[str]] = {}
    for name, trunk in sip.trunks.items():
        called = [number for number in numbers(name, trunk, known) if is_number(number)]
        for network in trunk.networks:
            anything = ["*"] if trunk.user and not trunk.secret_numbers else []
            found.setdefault(network, []).extend(called or anything)
    return tuple(
        Source(network=network, numbers=Secret("sip.numbers", "*" if "*" in called else ",".join(called) or "-"))
        for network, called in found.items()
    )


def registrations(sip: Sip, known: Mapping[str, Secret]) -> tuple[Registration, ...]:
    """The carriers to register with."""
    return tuple(
        Registration(
            trunk=name,
            registrar=to.registrar,
            domain=to.realm_host,
            user=to.user,
            password=known[f"sip-{name}-register"],
            expires=to.expires,
        )
        for name, trunk in sip.trunks.items()
        if (to := trunk.register) and f"sip-{name}-register" in known
    )
