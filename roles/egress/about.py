"""What egress tells the rest of the house."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from livekit_metal.core.errors import Problem
from livekit_metal.roles.edge.backends import scraped
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.roles.egress.settings import UNIT, USER, Settings
from livekit_metal.roles.preflight.settings import Demand
from livekit_metal.site import slotted
from livekit_metal.site.model import HostStack, Role, Site
from livekit_metal.site.paths import Installed


class Egress(Role[Settings]):
    name = "egress"
    purpose = "egress, which records"
    settings = Settings
    named = caller = slots = True
    outlasting = (UNIT.partition("{")[0],)

    def on(self, site: Site, host: str) -> Settings | None:
        if (own := super().on(site, host)) is None:
            return None
        vault, secret = site.opened, own.storage.wants
        api_key, api_secret = vault.used_by_daemons
        return dataclasses.replace(
            own,
            api_key=api_key,
            api_secret=api_secret,
            storage_secret=vault.passwords(secret)[0] if secret and vault.knows(secret) else None,
            ws_url=f"ws://127.0.0.1:{site.of(Edge).http.first}",
            state_root=site.paths.state,
            **slotted.told(site, host, self.name),
        )

    def installed(self, site: Site, stack: HostStack, own: Settings) -> Installed:
        return Installed(packages=own.packages, units=tuple(map(UNIT.format, own.slots)), users=(USER,))

    def problems(self, site: Site) -> Iterator[Problem]:
        return slotted.release_problems(site, self.name, site.of(Settings))

    def gives(self, site: Site, host: str) -> Mapping[str, Mapping[str, Any]]:
        if not (having := site.with_role(self.name)):
            return {}
        own = site.of(Settings)
        return {
            "livekit": {"room_configurations": own.room_configurations},
            "edge": {"others": scraped(self.name, own) if host in having else ()},
        }

    def asked(self, site: Site, stack: HostStack, own: Settings) -> Mapping[str, Any]:
        cores = (Demand(path="egress.records", what=kind, cores=need) for kind, need in own.cores.items())
        disk = Demand(
            path="egress.disk_mb",
            what="recordings and their copies",
            megabytes=2 * own.disk_mb,  # a file is copied when it is complete
            directory=site.paths.state,
        )
        return {"demands": (*cores, disk)}


ROLE = Egress()
