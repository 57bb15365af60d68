"""What the kernel role tells the rest of the house."""

from __future__ import annotations

import dataclasses

from livekit_metal.roles.firewall.settings import Settings as Firewall
from livekit_metal.roles.kernel.settings import FILE, MODULES, Settings
from livekit_metal.roles.redis.settings import Settings as Redis
from livekit_metal.site.model import HostStack, Role, Site
from livekit_metal.site.paths import Installed


class Kernel(Role[Settings]):
    name = "kernel"
    purpose = "kernel settings"
    settings = Settings
    rank = 0

    def finished(self, site: Site, stack: HostStack, own: Settings) -> Settings:
        firewall = stack.the(Firewall)
        return dataclasses.replace(
            own,
            reserved=tuple(p.range for p in stack.ports),
            relays=firewall.relays.sources,
            rules=firewall.main,
            redis=stack.of(Redis) is not None,
        )

    def installed(self, site: Site, stack: HostStack, own: Settings) -> Installed:
        return Installed(files=(FILE, MODULES))


ROLE = Kernel()
