"""From plain data to a site: its class is made from the list of roles (livekit_metal/roles/__init__.py)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from livekit_metal import roles
from livekit_metal.core import ports
from livekit_metal.core.errors import Problem, Problems, SiteError
from livekit_metal.core.fields import build, option
from livekit_metal.roles.firewall.settings import Settings as Firewall
from livekit_metal.site import addresses, per_host, trust
from livekit_metal.site.model import HostStack, Role, Site
from livekit_metal.vault.key import KeySource
from livekit_metal.vault.vault import Vault

_FROZEN: dict[str, Any] = {"frozen": True, "slots": True, "kw_only": True}


def every_role() -> tuple[Role[Any], ...]:
    """What each role of the list tells about itself, in the order of the list."""
    return tuple(import_module(f"livekit_metal.roles.{name}.about").ROLE for name in roles.NAMES)


def site_class() -> type[Site]:
    """A Site with a section for each role."""
    return _site_class(every_role())


@cache
def _site_class(found: tuple[Role[Any], ...]) -> type[Site]:
    stack = dataclasses.make_dataclass(
        "HostStack",
        [(role.name, role.settings | None, None) for role in found],
        bases=(HostStack,),
        **_FROZEN,
    )
    made: type[Site] = dataclasses.make_dataclass(
        "Site",
        [(role.name, role.settings, option(role.settings(), role.purpose)) for role in found],
        bases=(Site,),
        namespace={"roles": found, "stack": stack, "__doc__": Site.__doc__},
        **_FROZEN,
    )
    return made


def load(data: Mapping[str, Any], name: str, directory: Path, found: Mapping[str, str] | None = None) -> Site:
    """The site ``name`` from plain data; relative paths start at ``directory``.

    ``found`` are addresses of hosts, of those that change, newer than those that are kept.

    Raises SiteError with everything that is wrong: keys, values, secrets, certificates, ports of every host.
    """
    problems, changing = Problems(), addresses.discovering(data)
    if changing:
        secrets = directory / str(data.get("secrets") or f"{name}.secrets")
        data = addresses.filled(data, addresses.kept(secrets) | dict(found or {}))
    site: Site | None = build(site_class(), data, "site", problems)
    if site is not None:
        site = per_host.laid_over(site, data, problems)
    if site is None or problems:
        raise SiteError(_short(p) for p in problems)
    hosts = {n: dataclasses.replace(at, discovered=True) if n in changing else at for n, at in site.hosts.items()}
    site = dataclasses.replace(site, hosts=hosts) if changing else site
    secrets = directory / (site.secrets or f"{name}.secrets")
    source = KeySource.of(secrets.stem)
    if site.secrets_key:
        source = dataclasses.replace(source, default=directory / site.secrets_key)
    vault = Vault.open(secrets, key=source)
    site = dataclasses.replace(site, name=name, vault=vault, lock=secrets.with_suffix(".lock"))
    site = trust.loaded(site, directory)
    for role in site.roles:
        site = role.loaded(site, directory)
    site = per_host.loaded(site, directory)
    for host in site.hosts:
        registry = site.ports(host)
        problems.extend(ports.overlaps(registry, host))
        problems.extend(site.of(Firewall, host).clashes(registry, host))
    problems_of_all = dict.fromkeys(problems)  # the same overlap on several hosts reads alike but for the host
    if problems_of_all:
        raise SiteError(problems_of_all)
    return site


def _short(problem: Problem) -> Problem:
    """Paths as the operator writes them: without the outermost name."""
    return Problem(problem.path.removeprefix("site."), problem.fact, problem.remedy)
