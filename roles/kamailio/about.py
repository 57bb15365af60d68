"""What Kamailio tells the rest of the house: it stands in front of livekit-sip."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from livekit_metal.roles.kamailio.settings import KEY, UNIT, Settings
from livekit_metal.roles.sip import wiring
from livekit_metal.roles.sip.settings import Settings as Sip
from livekit_metal.site import slotted
from livekit_metal.site.model import HostStack, Role, Site
from livekit_metal.site.paths import Installed

_ANY = "a call out may be made by any host, and goes by its Kamailio"


class Kamailio(Role[Settings]):
    name = "kamailio"
    purpose = "Kamailio, in front of livekit-sip"
    settings = Settings
    everywhere: ClassVar[Mapping[str, str]] = {"inside": _ANY, "certificate": _ANY}

    def on(self, site: Site, host: str) -> Settings | None:
        if host not in site.with_role("sip"):
            return None
        own, trunks = site.of(Settings), site.of(Sip)
        trunks = dataclasses.replace(trunks, secure_out=bool(own.certificate))
        outgoing = wiring.outgoing(trunks)
        known, _ = wiring.secrets(trunks, site.opened)
        return dataclasses.replace(
            own,
            address=site.hosts[host].address,
            public_address=site.hosts[host].public_address,
            sources=wiring.sources(trunks, known, host),
            registrations=wiring.registrations(trunks, known, host),
            outgoing=outgoing,
            key=site.opened.passwords(KEY)[0] if outgoing else own.key,
            config_root=site.paths.config,
            active=slotted.active(site),
            slot_unit=trunks.unit,
        )

    def installed(self, site: Site, stack: HostStack, own: Settings) -> Installed:
        return Installed(packages=("kamailio", "kamailio-tls-modules"), masked=("kamailio.service",), units=(UNIT,))


ROLE = Kamailio()
