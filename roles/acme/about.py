"""What certificates by ACME tell the rest of the house."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from livekit_metal.core.errors import Problem
from livekit_metal.roles.acme import certificates
from livekit_metal.roles.acme.settings import TIMER, UNIT, USER, Settings
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.site.model import HostStack, Role, Site
from livekit_metal.site.paths import Installed


class Acme(Role[Settings]):
    name = "acme"
    purpose = "certificates by ACME, with edge.tls 'acme'"
    settings = Settings
    everywhere: ClassVar[Mapping[str, str]] = {"": "all of them ask one CA, as one account"}
    rank = 1

    def on(self, site: Site, host: str) -> Settings | None:
        return site.of(Settings) if site.calls(host) else None

    def finished(self, site: Site, stack: HostStack, own: Settings) -> Settings:
        return certificates.on(site, stack.host, stack.the(Edge))

    def installed(self, site: Site, stack: HostStack, own: Settings) -> Installed:
        edge = stack.the(Edge)
        if edge.tls != "acme" or not edge.serves_tls:
            return Installed()
        return Installed(packages=("lego", "openssl"), units=(UNIT, TIMER), users=(USER,))

    def problems(self, site: Site) -> Iterator[Problem]:
        return certificates.problems(site)

    def loaded(self, site: Site, directory: Path) -> Site:
        if site.of(Edge).tls != "acme":
            return site
        own = certificates.completed(site, site.opened, directory)
        return dataclasses.replace(site.having(own), ca_file=certificates.trusted(site, directory))


ROLE = Acme()
