"""What Alertmanager tells the rest of the house."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.core.ports import endpoint
from livekit_metal.roles.alertmanager.settings import UNIT, Settings
from livekit_metal.roles.prometheus.alerts.deploys import DEAD_MAN
from livekit_metal.roles.prometheus.alerts.every import inhibitions
from livekit_metal.roles.prometheus.settings import Target
from livekit_metal.site.model import HostStack, Role, Site
from livekit_metal.site.paths import Installed
from livekit_metal.vault import references

_PACKAGE = "prometheus-alertmanager"


class Alertmanager(Role[Settings]):
    name = "alertmanager"
    purpose = "Alertmanager: who is told of what Prometheus has found"
    settings = Settings
    everywhere: ClassVar[Mapping[str, str]] = {"": "all of them tell the same people the same"}
    rank = 3
    named = True

    def on(self, site: Site, host: str) -> Settings | None:
        if (own := super().on(site, host)) is None:
            return None
        others = [name for name in site.with_role(self.name) if name != host]
        return dataclasses.replace(
            own,
            address=site.inside(host),
            peers=tuple(endpoint(site.inside(name), own.peer.first) for name in others),
            clustered=bool(others),
            inhibitions=inhibitions(),
            always=DEAD_MAN,
            vault=site.vault,
            config_root=site.paths.config,
            state_root=site.paths.state,
        )

    def installed(self, site: Site, stack: HostStack, own: Settings) -> Installed:
        return Installed(packages=(_PACKAGE,), masked=(f"{_PACKAGE}.service",), units=(UNIT,))

    def gives(self, site: Site, host: str) -> Mapping[str, Mapping[str, Any]]:
        port = site.of(Settings).port.first
        all_of_them = tuple(endpoint(site.inside(name), port) for name in site.with_role(self.name))
        return {"prometheus": {"alertmanagers": all_of_them}}

    def scraped(self, site: Site, host: str) -> Iterator[Target]:
        if host in site.with_role(self.name):
            yield Target(job=self.name, host=host, address=site.inside(host), port=site.of(Settings).port.first)

    def problems(self, site: Site) -> Iterator[Problem]:
        if not (having := site.with_role(self.name)):
            return
        if not site.with_role("prometheus"):
            remedy = "give a host the role prometheus, which finds what there is to tell"
            yield Problem("hosts", f"{having[0]} has the role {self.name} and none has prometheus", remedy)
        if not site.of(Settings).receivers:
            yield Problem(
                "alertmanager.receivers", "is empty: nobody would be told", "name one, docs/operations/alerts.md"
            )

    def loaded(self, site: Site, directory: Path) -> Site:
        own = site.of(Settings)
        wanted = (own.receivers, own.routes, own.extra) if site.with_role(self.name) else ()
        if found := tuple(references.unknown(wanted, site.opened, "alertmanager.receivers")):
            raise SiteError(found)
        return site


ROLE = Alertmanager()
