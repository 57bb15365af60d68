"""What Grafana tells the rest of the house."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.roles.grafana.settings import PASSWORD, UNIT, USER, Settings
from livekit_metal.roles.prometheus.dashboards.every import files
from livekit_metal.roles.prometheus.settings import Settings as Prometheus
from livekit_metal.site.model import HostStack, Role, Site
from livekit_metal.site.paths import Installed


class Grafana(Role[Settings]):
    name = "grafana"
    purpose = "Grafana: the dashboards, for who has none of his own"
    settings = Settings
    everywhere: ClassVar[Mapping[str, str]] = {"": "it is beside Prometheus, of which there is one"}
    rank = 4
    named = True

    def on(self, site: Site, host: str) -> Settings | None:
        if (own := super().on(site, host)) is None:
            return None
        return dataclasses.replace(
            own,
            dashboards=files(),
            prometheus=site.of(Prometheus).listen,
            password=site.opened.passwords(PASSWORD)[0],
            config_root=site.paths.config,
            release_root=site.paths.releases,
            state_root=site.paths.state,
        )

    def installed(self, site: Site, stack: HostStack, own: Settings) -> Installed:
        return Installed(units=(UNIT,), users=(USER,))

    def problems(self, site: Site) -> Iterator[Problem]:
        for host in site.with_role(self.name):
            if host not in site.with_role("prometheus"):
                fact = f"{host} has the role {self.name} and not prometheus, which listens on loopback"
                yield Problem(
                    "hosts", fact, f"give {host} both, or use `livekit-metal dashboards` with a Grafana elsewhere"
                )
        if site.with_role(self.name) and not site.of(Settings).file:
            remedy = "download Grafana's archive or package by hand, and name it with its sha256"
            yield Problem("grafana.file", "is not named: nothing is downloaded", remedy)

    def loaded(self, site: Site, directory: Path) -> Site:
        if not site.with_role(self.name):
            return site
        own = site.of(Settings)
        path = directory / own.file
        if not path.is_file():
            raise SiteError([Problem("grafana.file", f"{path} is not there", "put it there, or correct the path")])
        return site.having(dataclasses.replace(own, path=str(path)))


ROLE = Grafana()
