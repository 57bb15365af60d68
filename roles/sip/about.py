"""What livekit-sip tells the rest of the house."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from livekit_metal.core.errors import Problem
from livekit_metal.roles.edge.backends import scraped
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.roles.kamailio.settings import Settings as Kamailio
from livekit_metal.roles.sip import wiring
from livekit_metal.roles.sip.settings import MEDIA, SIGNALLING, UNIT, USER, Settings
from livekit_metal.site import slotted
from livekit_metal.site.model import HostStack, Role, Site
from livekit_metal.site.paths import Installed


class Sip(Role[Settings]):
    name = "sip"
    purpose = "livekit-sip, trunks and rules"
    settings = Settings
    named = caller = slots = True
    outlasting = (UNIT.partition("{")[0],)

    def on(self, site: Site, host: str) -> Settings | None:
        if (own := super().on(site, host)) is None:
            return None
        known, missing = wiring.secrets(own, site.opened)
        return dataclasses.replace(
            own,
            address=site.hosts[host].address,
            public_address=site.hosts[host].public_address,
            ws_url=f"ws://127.0.0.1:{site.of(Edge).http.first}",
            api_keys=dict([site.opened.used_by_daemons]),
            secrets=known,
            missing=missing,
            wrong=tuple(wiring.wrong(own, known)),
            reconciles=host == site.with_role(self.name)[0],
            **slotted.told(site, host, self.name),
        )

    def finished(self, site: Site, stack: HostStack, own: Settings) -> Settings:
        return dataclasses.replace(own, dispatch=stack.the(Kamailio).dispatch)

    def installed(self, site: Site, stack: HostStack, own: Settings) -> Installed:
        libraries = ("libopus0", "libopusfile0", "libsoxr0")
        return Installed(packages=libraries, units=tuple(map(UNIT.format, own.slots)), users=(USER,))

    def problems(self, site: Site) -> Iterator[Problem]:
        own, names = site.of(Settings), site.with_role(self.name)
        for name in names:
            if ":" in site.hosts[name].address or ":" in site.hosts[name].public_address:
                fact = "has the role sip and an IPv6 address"
                yield Problem(f"hosts.{name}.address", fact, "give it an IPv4 address: livekit-sip knows no IPv6")
        if (own.trunks or own.rules) and not names:
            yield Problem("sip.trunks", "are declared and no host has the role sip", "give it to at least one host")
        yield from slotted.release_problems(site, self.name, own)

    def networks(self, site: Site) -> Mapping[str, tuple[str, ...]]:
        trunks = site.of(Settings).trunks.values()
        return {
            **super().networks(site),
            SIGNALLING: tuple(dict.fromkeys(n for t in trunks for n in t.networks)),
            MEDIA: tuple(dict.fromkeys(n for t in trunks for n in t.media_networks or t.networks)),
        }

    def gives(self, site: Site, host: str) -> Mapping[str, Mapping[str, Any]]:
        own = site.of(Settings)
        return {"edge": {"others": scraped(self.name, own)}} if host in site.with_role(self.name) else {}


ROLE = Sip()
