"""What agents tell the rest of the house."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.roles.agents import source
from livekit_metal.roles.agents.settings import Fleet, Settings
from livekit_metal.roles.edge.backends import Scraped
from livekit_metal.site.model import HostStack, Role, Site
from livekit_metal.site.paths import Installed
from livekit_metal.site.slotted import told


class Agents(Role[Settings]):
    name = "agents"
    purpose = "workers of agents: a section for each fleet, by name"
    settings = Settings
    named = caller = several = True
    on_redis = False
    everywhere: ClassVar[Mapping[str, str]] = {"*.hosts": "it says which hosts run the fleet"}
    outlasting = ("livekit-agents-",)

    def on(self, site: Site, host: str) -> Settings | None:
        if (own := super().on(site, host)) is None:
            return None
        fleets = {name: _on(site, host, each) for name, each in own.fleets.items() if _runs(each, host)}
        return dataclasses.replace(own, fleets=fleets)

    def installed(self, site: Site, stack: HostStack, own: Settings) -> Installed:
        node = any(each.source.node for each in own.daemons)
        packages = ("python3", "nodejs") if node else ("python3",)
        units = tuple(each.unit.format(slot) for each in own.daemons for slot in each.slots)
        return Installed(packages=packages, units=units, users=tuple(each.user for each in own.daemons))

    def problems(self, site: Site) -> Iterator[Problem]:
        having = site.with_role(self.name)
        for name, fleet in site.of(Settings).fleets.items():
            for i, host in enumerate(fleet.hosts):
                if host not in having:
                    remedy = f"give the host the role, or name one of: {', '.join(having) or 'no host has it yet'}"
                    yield Problem(f"agents.{name}.hosts[{i}]", f"{host} is not a host with the role agents", remedy)

    def loaded(self, site: Site, directory: Path) -> Site:
        own = site.of(Settings)
        if not site.with_role(self.name):
            return site
        fleets = {
            each.name: dataclasses.replace(each, directory=str(directory / Path(each.source.directory).expanduser()))
            for each in own.daemons
        }
        if found := [problem for each in fleets.values() for problem in source.problems(each)]:
            raise SiteError(found)
        return site.having(dataclasses.replace(own, fleets=fleets))

    def gives(self, site: Site, host: str) -> Mapping[str, Mapping[str, Any]]:
        if (own := self.on(site, host)) is None:
            return {}
        scraped = (
            Scraped(component=each.component, slot=slot, port=each.part("health", slot).first)
            for each in own.daemons
            for slot in each.slots
        )
        return {"edge": {"others": tuple(scraped)}}


def _runs(fleet: Fleet, host: str) -> bool:
    return not fleet.hosts or host in fleet.hosts


def _on(site: Site, host: str, fleet: Fleet) -> Fleet:
    vault, name = site.opened, {variable: f"agent-{variable}" for variable in fleet.secrets}
    return dataclasses.replace(
        fleet,
        values={v: vault.passwords(n)[0] for v, n in name.items() if vault.knows(n)},
        lacks=tuple(n for n in name.values() if not vault.knows(n)),
        **told(site, host),
    )


ROLE = Agents()
