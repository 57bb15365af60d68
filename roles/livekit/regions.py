"""Regions: a node says where it is (``livekit.region``), and a selector by region puts new rooms into the nearest.

Upstream: pkg/routing/selector/regionaware.go of livekit v1.13.5. A node ends at its start when it has no region or one
that is not in the list; without a list every node is as near as any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from livekit_metal.core.errors import Problem
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.site.model import Site

_KIND = "regionaware"


def problems(site: Site) -> Iterator[Problem]:
    """What a selector by region lacks on some host."""
    serving = [name for name in site.with_role("livekit") if not site.laying("livekit", name)]
    for name in serving:
        own = site.of(Settings, name)
        selector = own.extra.get("node_selector", {})
        if not isinstance(selector, Mapping) or selector.get("kind") != _KIND:
            continue
        path = "livekit.extra.node_selector"
        if not (named := _named(selector)):
            yield Problem(path, f"is {_KIND} and has no regions: no node is nearer than another", _WRITE)
        elif not own.region:
            remedy = f"give it one: hosts.{name}.settings: {{'livekit': {{'region': {named[0]!r}}}}}"
            yield Problem(f"hosts.{name}", f"has no livekit.region, and node_selector is {_KIND}", remedy)
        elif own.region not in named:
            fact = f"livekit.region of {name} is {own.region!r}, which node_selector.regions has not"
            yield Problem(path, fact, f"add it, or take one of: {', '.join(named)}")


_WRITE = "list them: regions: [{'name': 'fra', 'lat': 50.1, 'lon': 8.7}, …]"


def _named(selector: Mapping[str, Any]) -> list[str]:
    found = selector.get("regions") or ()
    return [str(each["name"]) for each in found if isinstance(each, Mapping) and each.get("name")]
