"""What a site's trunks mean to the roles: who may call whom, which secrets there must be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from livekit_metal.core.errors import Problem
from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.kamailio.settings import Outgoing, Registration, Source
from livekit_metal.roles.sip import numbers
from livekit_metal.roles.sip.numbers import Pattern, is_number, normal
from livekit_metal.roles.sip.objects import listed
from livekit_metal.roles.sip.settings import Settings as Sip
from livekit_metal.roles.sip.together import alike
from livekit_metal.roles.sip.trunks import Trunk
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
    owners = {normal(n): name for name, trunk in sip.trunks.items() for p in trunk.patterns for n in p.numbers()}
    for name, trunk in sip.trunks.items():
        secret = known.get(key := f"sip-{name}-numbers")
        if trunk.secret_numbers and secret is not None:
            yield from _wrong_numbers(name, key, listed(secret), owners)
    for name, rule in sip.rules.items():
        secret = known.get(key := f"sip-rule-{name}")
        if rule.pin and secret is not None and not re.fullmatch(r"[0-9]+", secret.reveal()):
            yield _unusable(key, "is not a PIN: callers type digits")
    pins = {name: known[f"sip-rule-{name}"].reveal() for name, rule in sip.rules.items() if f"sip-rule-{name}" in known}
    yield from alike({name: rule for name, rule in sip.rules.items() if rule.pin and name in pins}, pins, "sip")
    for source in sources(sip, known):
        if len(source.numbers.reveal()) > numbers.LONGEST:
            remedy = "write them as ranges or prefixes in trunks that share it, or take another network"
            yield Problem("sip.trunks", f"have more numbers for {source.network} than Kamailio can hold", remedy)


def _wrong_numbers(trunk: str, key: str, found: list[str], owners: dict[str, str]) -> Iterator[Problem]:
    if not found:
        yield _unusable(key, "holds no number, so that any could be called")
    for i, number in enumerate(found, 1):
        if not is_number(number):
            yield _unusable(key, f"word {i} of {len(found)} is not a number (as +4930123456; '*' and lists are none)")
        elif (first := owners.setdefault(normal(number), trunk)) != trunk:
            yield _unusable(key, f"word {i} of {len(found)} is also a number of {first}")


def _unusable(key: str, fact: str) -> Problem:
    remedy = f"correct it: python -m procedures.secrets INVENTORY set {key}"
    return Problem(f"secrets.passwords.{key}", fact, remedy)


def on(sip: Sip, host: str) -> dict[str, Trunk]:
    """The trunks whose calls ``host`` takes."""
    return {name: trunk for name, trunk in sip.trunks.items() if not trunk.hosts or host in trunk.hosts}


def sources(sip: Sip, known: Mapping[str, Secret], host: str | None = None) -> tuple[Source, ...]:
    """Each network that may call (``host``), with what every trunk that has it may be called by."""
    found: dict[str, list[Pattern]] = {}
    for name, trunk in (sip.trunks if host is None else on(sip, host)).items():
        for text in trunk.networks:
            found.setdefault(text, []).extend(_callable(name, trunk, known))
    return tuple(
        Source(network=network, numbers=Secret("sip.numbers", numbers.tag(called))) for network, called in found.items()
    )


def _callable(name: str, trunk: Trunk, known: Mapping[str, Secret]) -> tuple[Pattern, ...]:
    """What may be called from a trunk's networks; where its calls log in, LiveKit asks for the password."""
    if trunk.secret_numbers:
        secret = known.get(f"sip-{name}-numbers")
        return tuple(Pattern("exact", number) for number in (listed(secret) if secret else ()) if is_number(number))
    if trunk.takes_any or (trunk.user and not trunk.numbers):
        return (numbers.parse("*"),)
    return trunk.patterns


def outgoing(sip: Sip) -> tuple[Outgoing, ...]:
    """Where calls out lead that go by Kamailio."""
    return tuple(
        Outgoing(trunk=name, address=out.address, transport=out.transport)
        for name, trunk in sip.trunks.items()
        if (out := trunk.outbound) and sip.by_kamailio(out)
    )


def registrations(sip: Sip, known: Mapping[str, Secret], host: str) -> tuple[Registration, ...]:
    """The carriers that ``host`` registers with."""
    return tuple(
        Registration(
            trunk=name,
            registrar=to.registrar,
            domain=to.realm_host,
            user=to.user,
            password=known[f"sip-{name}-register"],
            expires=to.expires,
        )
        for name, trunk in on(sip, host).items()
        if (to := trunk.register) and f"sip-{name}-register" in known
    )
