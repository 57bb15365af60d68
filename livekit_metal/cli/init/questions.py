"""The answers of somebody at a terminal, for what no flag has said."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from livekit_metal.cli.init.answers import DEFAULTS, NOWHERE, PLACES, Answers, choices
from livekit_metal.core.types.text import Address, Domain, Kind, Network, kind_of

_ADDRESS, _NETWORK, _DOMAIN = kind_of(Address), kind_of(Network), kind_of(Domain)


def ask(given: Answers, read: Callable[[str], str], say: Callable[[str], None]) -> Answers:
    """``given`` with the rest. ``read`` shows a question and gives a line; raises EOFError at the end of input."""

    def question(text: str, wrong: Callable[[str], str], default: str = "") -> str:
        """The first line that is not wrong."""
        while True:
            line = read(f"{text}{f' [{default}]' if default else ''}: ").strip() or default
            if not (problem := wrong(line)):
                return line
            say(f"  {problem}")

    if not given.hosts:
        say("Hosts: NAME=ADDRESS, or ADDRESS alone; NAME=ADDRESS,PRIVATE where hosts have a network of their own.")
        line = question("Hosts, with blanks between them", _wrong_hosts)
        given = dataclasses.replace(given, hosts=tuple(line.split()))
    if not given.admin:
        line = question("Networks that may open SSH, yours among them", _wrong_networks)
        given = dataclasses.replace(given, admin=tuple(line.replace(",", " ").split()))
    if not given.domain and not given.tls:
        domain = question("Name for clients, which leads to the hosts (empty: no TLS)", _wrong_domain)
        given = dataclasses.replace(given, domain=domain)
    if given.domain and given.tls in ("", "acme") and not given.email:
        email = question("E-mail for the CA of the certificates (ACME)", lambda line: "" if line else "it asks for one")
        given = dataclasses.replace(given, email=email)
    places = dict(given.places)
    say(f"What runs where: {PLACES}.")
    for role in choices():
        if role.name not in places:
            places[role.name] = question(role.purpose, lambda _: "", DEFAULTS.get(role.name, NOWHERE))
    return dataclasses.replace(given, places=places)


def _first(kind: Kind, words: list[str]) -> str:
    """What is wrong with the first of ``words`` that is not of this kind."""
    found = (problem for word in words if (problem := kind.problem(word)))
    return next(("; ".join(problem) for problem in found), "" if words else kind.remedy)


def _wrong_hosts(line: str) -> str:
    addresses = [word.rpartition("=")[2] for word in line.split()]
    return _first(_ADDRESS, [part for each in addresses for part in each.split(",")])


def _wrong_networks(line: str) -> str:
    return _first(_NETWORK, line.replace(",", " ").split())


def _wrong_domain(line: str) -> str:
    return _first(_DOMAIN, [line]) if line else ""
