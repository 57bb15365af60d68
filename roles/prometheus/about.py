"""What Prometheus tells the rest of the house."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from livekit_metal.core.errors import SiteError
from livekit_metal.roles.prometheus.settings import UNIT, Settings
from livekit_metal.site.model import HostStack, Role, Site
from livekit_metal.site.paths import Installed
from livekit_metal.vault import references


class Prometheus(Role[Settings]):
    name = "prometheus"
    purpose = "Prometheus"
    settings = Settings
    named = True

    def on(self, site: Site, host: str) -> Settings | None:
        if (own := super().on(site, host)) is None:
            return None
        return dataclasses.replace(
            own,
            targets=tuple(
                target
                for name in site.hosts
                for here in (site.here(name),)
                for role in reversed(site.roles)
                for target in role.scraped(here, name)
            ),
            config_root=site.paths.config,
            state_root=site.paths.state,
            site=own.site or site.name,
            vault=site.vault,
            **site.given_to(self.name, host),
        )

    def loaded(self, site: Site, directory: Path) -> Site:
        wanted = site.of(Settings).remote_write if site.with_role(self.name) else ()
        if found := tuple(references.unknown(wanted, site.opened, "prometheus.remote_write")):
            raise SiteError(found)
        return site

    def installed(self, site: Site, stack: HostStack, own: Settings) -> Installed:
        return Installed(packages=("prometheus",), masked=("prometheus.service",), units=(UNIT,))


ROLE = Prometheus()
