"""What has to be known of a site, and the plain data of its inventory. The site's own checks say what is wrong."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.site.loading import every_role
from livekit_metal.site.model import Role

EVERYWHERE, FIRST, NOWHERE = "all", "first", "none"
DEFAULTS = {"livekit": EVERYWHERE, "redis": FIRST, "prometheus": FIRST}  # where a role runs; any other nowhere
PLACES = f"names of hosts with commas, or {EVERYWHERE}, {FIRST}, {NOWHERE}"


def choices() -> tuple[Role[Any], ...]:
    """The roles that hosts may name."""
    return tuple(role for role in every_role() if role.named)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """As they were typed."""

    hosts: Sequence[str] = ()  # [NAME=]ADDRESS[,PRIVATE]
    admin: Sequence[str] = ()  # networks
    domain: str = ""
    email: str = ""
    tls: str = ""  # '': acme where there is a domain
    places: Mapping[str, str] = field(default_factory=dict)  # role -> PLACES
    ssh: Mapping[str, str] = field(default_factory=dict)
    settings: Sequence[str] = ()  # PATH=VALUE

    @property
    def addresses(self) -> dict[str, tuple[str, str]]:
        """Host -> its address, and the one that the other hosts use or ''. Raises SiteError for a name given twice."""
        found: dict[str, tuple[str, str]] = {}
        for number, text in enumerate(self.hosts, 1):
            name, named, rest = text.partition("=")
            if not named:
                name, rest = f"lk{number}", text
            address, _, private = rest.partition(",")
            if name in found:
                raise SiteError([Problem("--host", f"{name} is there twice", "give each host a name of its own")])
            found[name] = (address.strip(), private.strip())
        return found


def site(answers: Answers) -> dict[str, Any]:
    """The site as its inventory writes it. Raises SiteError for what no inventory could say."""
    addresses = answers.addresses
    places = {role.name: _places(role.name, answers, [*addresses]) for role in choices()}
    hosts = {}
    for name, (address, private) in addresses.items():
        host: dict[str, Any] = {"address": address}
        if private:
            host["cluster"] = private
        host["roles"] = [role for role, where in places.items() if name in where]
        if answers.ssh:
            host["ssh"] = {what: _value(text) if what == "port" else text for what, text in answers.ssh.items()}
        hosts[name] = host
    made: dict[str, Any] = {"hosts": hosts, "firewall": {"admin": [*answers.admin]}}
    if tls := answers.tls or ("acme" if answers.domain else ""):
        made["edge"] = {"tls": tls} | ({"domain": answers.domain} if answers.domain else {})
    if tls == "acme":
        made["acme"] = {"email": answers.email}
    # the versions of today: another livekit-metal may have others, and changes nothing by itself
    made |= {role: {"release": release} for role, release in _releases() if places[role]}
    for text in answers.settings:
        _set(made, text)
    return made


def _places(role: str, answers: Answers, names: list[str]) -> list[str]:
    """The hosts that carry ``role``."""
    where = answers.places.get(role) or DEFAULTS.get(role, NOWHERE)
    groups = {EVERYWHERE: names, FIRST: names[:1], NOWHERE: []}
    found = groups.get(where, [part.strip() for part in where.split(",")])
    if unknown := [name for name in found if name not in names]:
        fact = f"there is no host {unknown[0]!r}"
        raise SiteError([Problem(f"--{role}", fact, f"name some of {', '.join(names)}, or {EVERYWHERE}, {NOWHERE}")])
    return found


def _releases() -> Iterator[tuple[str, str]]:
    for role in choices():
        for each in dataclasses.fields(role.settings):
            if each.name == "release" and isinstance(each.default, str):
                yield role.name, each.default


def _set(made: dict[str, Any], text: str) -> None:
    """One more setting, such as livekit.source=module."""
    path, given, value = text.partition("=")
    if not given:
        raise SiteError([Problem(f"--set {text}", "has no value", "write it as livekit.source=module")])
    *sections, last = path.split(".")
    place = made
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise SiteError([Problem(f"--set {text}", f"{section} has no settings", "see docs/configuration.md")])
    place[last] = _value(value)


def _value(text: str) -> Any:
    """Numbers, true, false and lists as JSON has them; anything else is text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
