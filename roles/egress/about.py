"""What egress tells the rest of the house."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from livekit_metal.roles.egress.settings import Settings
from livekit_metal.roles.exporters.settings import Kept
from livekit_metal.roles.preflight.settings import Demand
from livekit_metal.site.model import HostStack, Site
from livekit_metal.site.slotted import SlottedRole

_WAITING = ("backup", "cut-short")  # kinds of files that somebody must look after, as their directories are called


class Egress(SlottedRole[Settings]):
    name = "egress"
    purpose = "egress, which records"
    settings = Settings
    everywhere: ClassVar[Mapping[str, str]] = {
        **SlottedRole.everywhere,
        "presets": "a room is made by whichever livekit-server is asked, and that starts the recording",
    }

    def wired(self, site: Site, host: str, own: Settings) -> Mapping[str, Any]:
        vault, secret = site.opened, own.storage.wants
        return {"storage_secret": vault.passwords(secret)[0] if secret and vault.knows(secret) else None}

    def packages(self, own: Settings) -> tuple[str, ...]:
        return own.packages

    def gives(self, site: Site, host: str) -> Mapping[str, Mapping[str, Any]]:
        if not site.with_role(self.name):
            return {}
        presets = {"room_configurations": site.of(Settings).room_configurations}
        kept = tuple(
            Kept(component=self.name, kind=kind, directory=f"{site.paths.state}/{self.name}/{kind}")
            for kind in _WAITING
        )
        here = {"exporters": {"kept": kept}} if host in site.with_role(self.name) else {}
        return {"livekit": presets, **here, **super().gives(site, host)}

    def asked(self, site: Site, stack: HostStack, own: Settings) -> Mapping[str, Any]:
        cores = (
            Demand(path="egress.records", what=kind, cores=need, memory_mb=own.memory_of(kind))
            for kind, need in own.cores.items()
        )
        disk = Demand(
            path="egress.disk_mb",
            what="recordings and their copies",
            megabytes=2 * own.disk_mb,  # a file is copied when it is complete
            directory=site.paths.state,
        )
        return {"demands": (*cores, disk)}


ROLE = Egress()
