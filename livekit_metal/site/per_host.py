"""Settings of roles that are one host's alone: ``hosts.NAME.settings`` over those of the site, role by role.

They are read as if they stood in the role's own section, which they are laid over: mappings key by key, lists and
values whole. What must be the same on every host, a role says itself (``Role.everywhere``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from livekit_metal.core.errors import Problem, Problems
from livekit_metal.core.fields import build, nearest
from livekit_metal.core.passthrough import merged
from livekit_metal.site.model import Role, Site


def laid_over(site: Site, data: Mapping[str, Any], problems: Problems) -> Site:
    """``site`` with what its hosts have of their own; ``data`` is the inventory that it was read from."""
    roles = {role.name: role for role in site.roles}
    having = {host: at.settings for host, at in site.hosts.items() if at.settings}
    for host, said in having.items():
        for name in said:
            problems.extend(_unfit(site, host, name, roles))
    if problems or not having:
        return site
    touched = [role for role in site.roles if any(role.name in said for said in having.values())]
    particular = {}
    for host in site.hosts:
        own = {role.name: getattr(site, role.name) for role in touched}
        for name, said in having.get(host, {}).items():
            whole = merged(data.get(name, {}), said)
            own[name] = build(roles[name].settings, whole, f"hosts.{host}.settings.{name}", problems)
        particular[host] = own
    if problems:
        return site
    site = dataclasses.replace(site, particular=particular)
    known = set(found := tuple(site.problems("")))
    problems.extend(found)
    for host, said in having.items():
        problems.extend(_renamed(each, host, said) for each in _together(site, host) if each not in known)
    return site


def loaded(site: Site, directory: Path) -> Site:
    """``site`` with what roles read from files and secrets for hosts with settings of their own. Raises SiteError."""
    particular = {host: dict(own) for host, own in site.particular.items()}
    for role in site.roles:
        for host, own in particular.items():
            if role.name in own:
                own[role.name] = role.loaded(site.here(host), directory).of(role.settings)
    return dataclasses.replace(site, particular=particular)


def same_everywhere(role: Role[Any], path: str) -> str:
    """Why the option at ``path`` of ``role`` (``turn.domain``) is the same on every host; '' when it need not be."""
    for pattern, why in role.everywhere.items():
        if not pattern or fnmatchcase(path, pattern) or fnmatchcase(path, f"{pattern}.*"):
            return why
    return ""


def _unfit(site: Site, host: str, name: str, roles: Mapping[str, Role[Any]]) -> Iterator[Problem]:
    path, said = f"hosts.{host}.settings.{name}", site.hosts[host].settings[name]
    if name not in roles:
        yield Problem(path, "is no role", nearest(name, roles))
    elif roles[name].named and name not in site.hosts[host].roles:
        yield Problem(path, f"{host} has not the role {name}", f"add it to hosts.{host}.roles, or drop the settings")
    elif not isinstance(said, Mapping):
        yield Problem(path, f"is {said!r}", "make it a mapping of settings")
    elif why := same_everywhere(roles[name], ""):
        yield Problem(path, f"must be the same on every host: {why}", f"write it once, in {name}")
    else:
        for option in _options(said):
            if why := same_everywhere(roles[name], option):
                remedy = f"write it once, in {name}.{option}"
                yield Problem(f"{path}.{option}", f"must be the same on every host: {why}", remedy)


def _options(said: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """The options that are set, by their paths."""
    for key, value in said.items():
        path = f"{above}{key}"
        if isinstance(value, Mapping) and value:
            yield from _options(value, f"{path}.")
        else:
            yield path


def _together(site: Site, host: str) -> Iterator[Problem]:
    """What is wrong with the settings of all roles together, as they are on ``host``."""
    here = site.here(host)
    for role in site.roles:
        yield from role.problems(here)


def _renamed(problem: Problem, host: str, said: Mapping[str, Any]) -> Problem:
    """With the path of the host's own settings, where it is about a role that has some there."""
    if problem.path.partition(".")[0] not in said:
        return Problem(problem.path, f"with hosts.{host}.settings: {problem.fact}", problem.remedy)
    return Problem(f"hosts.{host}.settings.{problem.path}", problem.fact, problem.remedy)
