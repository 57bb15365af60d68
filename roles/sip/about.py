"""What livekit-sip tells the rest of the house."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from livekit_metal.core.errors import Problem
from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.kamailio.settings import Settings as Kamailio
from livekit_metal.roles.sip import wiring
from livekit_metal.roles.sip.settings import MEDIA, SIGNALLING, Settings
from livekit_metal.site.model import HostStack, Site
from livekit_metal.site.slotted import SlottedRole


class Sip(SlottedRole[Settings]):
    name = "sip"
    purpose = "livekit-sip, trunks and rules"
    settings = Settings

    def wired(self, site: Site, host: str, own: Settings) -> Mapping[str, Any]:
        known, missing = wiring.secrets(own, site.opened)
        return {
            "address": site.hosts[host].address,
            "public_address": site.hosts[host].public_address,
            "secrets": known,
            "missing": missing,
            "wrong": tuple(wiring.wrong(own, known)),
            "reconciles": host == site.with_role(self.name)[0],
        }

    def packages(self, own: Settings) -> tuple[str, ...]:
        return ("libopus0", "libopusfile0", "libsoxr0")

    def finished(self, site: Site, stack: HostStack, own: Settings) -> Settings:
        return dataclasses.replace(own, dispatch=stack.the(Kamailio).dispatch)

    def problems(self, site: Site) -> Iterator[Problem]:
        own, names = site.of(Settings), site.with_role(self.name)
        for name in names:
            if ":" in site.hosts[name].address or ":" in site.hosts[name].public_address:
                fact = "has the role sip and an IPv6 address"
                yield Problem(f"hosts.{name}.address", fact, "give it an IPv4 address: livekit-sip knows no IPv6")
        if (own.trunks or own.rules) and not names:
            yield Problem("sip.trunks", "are declared and no host has the role sip", "give it to at least one host")
        yield from super().problems(site)

    def wrong_secrets(self, site: Site, known: Mapping[str, Secret]) -> Iterator[Problem]:
        return wiring.wrong(site.of(Settings), known)

    def networks(self, site: Site) -> Mapping[str, tuple[str, ...]]:
        trunks = site.of(Settings).trunks.values()
        return {
            **super().networks(site),
            SIGNALLING: tuple(dict.fromkeys(n for t in trunks for n in t.networks)),
            MEDIA: tuple(dict.fromkeys(n for t in trunks for n in t.media_networks or t.networks)),
        }


ROLE = Sip()
