"""Addresses that change (``hosts.NAME.public: discover``): a deploy asks each such host for the one it has outside.

Once in a run, before anything is planned, by STUN and from the host itself. What is found is kept beside the secrets:
where it is as before, nothing follows from it.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from pyinfra.api.exceptions import PyinfraError
from pyinfra.context import ctx_state

from livekit_metal.core import shell
from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.core.types.text import is_address
from livekit_metal.runtime.host.commands import HostError, before_first_change, read
from livekit_metal.site import addresses, inventory
from livekit_metal.site.host import Host
from livekit_metal.site.model import Site

_OUTSIDE = shell.program(__file__, "outside")
_WITHIN = 30  # s for a host to ask all its servers
_done: list[object] = []  # the run that has asked


def question(address: str, servers: Iterable[str]) -> str:
    """Shell text that asks for what ``address`` of a host is outside; :func:`seen_by` reads the answer."""
    return shell.given(_OUTSIDE, address, *servers)


def seen_by(lines: Iterable[str]) -> dict[str, str]:
    """The address that each server sees, of those that have answered with one that a host may have."""
    words = (line.split() for line in lines)
    return {w[0]: w[1] for w in words if len(w) == 2 and is_address(w[1]) and _may_lead_to_a_host(w[1])}


def _may_lead_to_a_host(address: str) -> bool:
    at = ipaddress.ip_address(address)
    return not (at.is_loopback or at.is_unspecified or at.is_multicast or at.is_link_local)


def current() -> Site:
    """The inventory's site, with addresses as they are now. Raises PyinfraError where one cannot be told."""
    site, run = inventory.current(), ctx_state.get()
    hosts = [name for name, at in site.hosts.items() if at.discovered]
    if not hosts or run in _done:
        return site
    found, words = dict[str, str](), list[Problem]()
    for name in hosts:
        said = _judged(name, site.hosts[name], _asked(run, name, site.hosts[name]))
        words += [said] if isinstance(said, Problem) else []
        if not isinstance(said, Problem):
            found[name] = said
    changed = {name: now for name, now in found.items() if addresses.kept(site.opened.path).get(name) != now}
    words += _told(site, changed)
    try:
        site = inventory.again(changed) if changed else site
    except SiteError as error:
        raise PyinfraError(str(error)) from error
    if changed:
        before_first_change(partial(_keep, site, changed))
    _done[:] = [run]
    return inventory.told(dataclasses.replace(site, words=(*site.words, *words)))


def _asked(run: Any, name: str, host: Host) -> dict[str, str]:
    """What servers say of a host; nothing where it is no part of this run."""
    place = next((each for each in run.inventory if each.name == name and each.connected), None)
    try:
        return seen_by(read(place, question(host.address, host.stun), timeout=_WITHIN).splitlines()) if place else {}
    except HostError:
        return {}


def _judged(name: str, host: Host, seen: dict[str, str]) -> str | Problem:
    """The address; or a note, where the previous one must do. Raises PyinfraError where there is none.

    STUN has no signature: whoever is on the way answers for one server and drops another. So a change takes them all.
    """
    path, servers = f"hosts.{name}.public", ", ".join(host.stun)
    family = {server: at for server, at in seen.items() if (":" in at) == (":" in host.address)}
    if len(set(family.values())) > 1:
        fact = "is discover, and servers differ: " + ", ".join(f"{server} sees {at}" for server, at in family.items())
        raise PyinfraError(str(Problem(path, fact, f"name one server in hosts.{name}.stun, or write the address")))
    now = next(iter(family.values()), "")
    if now and (now == host.public or not host.public or len(family) == len(host.stun)):
        return now
    if now:
        fact = f"is {now} for {', '.join(family)}, of {servers}: {host.public} is kept until all of them say so"
        return Problem(path, fact, f"deploy again, or name in hosts.{name}.stun those that answer")
    if host.public:
        fact = f"could not be asked for (of {servers}): {host.public} is kept"
        return Problem(path, fact, "see whether it still holds")
    fact = f"is discover, and no server has answered: {servers}"
    remedy = f"let {name} send UDP there, name others in hosts.{name}.stun, or write the address"
    raise PyinfraError(str(Problem(path, fact, remedy)))


def _keep(site: Site, changed: dict[str, str]) -> None:
    """Have them on the controller's disk before any host tells them to clients. Raises HostError."""
    try:
        addresses.keep(site.opened.path, changed)
    except SiteError as error:
        raise HostError(str(error)) from error


def _told(site: Site, changed: dict[str, str]) -> Iterator[Problem]:
    for name, now in changed.items():
        before = site.hosts[name].public
        fact = f"is {now}" + (f", and was {before}" if before else "")
        yield Problem(f"hosts.{name}.public", fact, "clients are told so from this deploy on; have names lead there")
