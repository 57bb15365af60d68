"""What base tells the rest of the house."""

from __future__ import annotations

import dataclasses

from livekit_metal.roles.base.settings import JOURNALD, NEEDRESTART, SYSUSERS, Settings
from livekit_metal.site.model import HostStack, Role, Site
from livekit_metal.site.paths import Installed

_ALWAYS = ("ca-certificates", "curl", "nftables", "procps", "util-linux")


class Base(Role[Settings]):
    name = "base"
    purpose = "packages, users, time"
    settings = Settings
    rank = 0

    def finished(self, site: Site, stack: HostStack, own: Settings) -> Settings:
        found = site.installed(stack)
        return dataclasses.replace(
            own,
            needed=tuple(dict.fromkeys((*_ALWAYS, *(name for each in found for name in each.packages)))),
            masked=tuple(unit for each in found for unit in each.masked),
            daemons=tuple(unit for each in found for unit in each.units),
            users=tuple(user for each in found for user in each.users),
            fingerprint=site.opened.fingerprint(),
            config_root=site.paths.config,
            release_root=site.paths.releases,
            state_root=site.paths.state,
        )

    def installed(self, site: Site, stack: HostStack, own: Settings) -> Installed:
        parent, sysusers = NEEDRESTART.rpartition("/")[0], SYSUSERS.rpartition("/")[0]
        return Installed(
            files=(NEEDRESTART, SYSUSERS, JOURNALD),
            parents=(parent, parent.rpartition("/")[0], sysusers, JOURNALD.rpartition("/")[0]),
        )


ROLE = Base()
