"""What livekit-sip tells the rest of the house."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from livekit_metal.core.errors import Problem
from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.kamailio.settings import Settings as Kamailio
from livekit_metal.roles.sip import wiring
from livekit_metal.roles.sip.settings import MEDIA, SIGNALLING, Settings
from livekit_metal.roles.sip.together import unheard
from livekit_metal.roles.sip.trunks import Trunk
from livekit_metal.site.model import HostStack, Site
from livekit_metal.site.slotted import SlottedRole

_OBJECTS = "LiveKit has one set of them for the whole site (trunks.NAME.hosts says where calls come in)"


class Sip(SlottedRole[Settings]):
    name = "sip"
    purpose = "livekit-sip, trunks and rules"
    settings = Settings
    everywhere: ClassVar[Mapping[str, str]] = {
        **SlottedRole.everywhere,
        "trunks": _OBJECTS,
        "rules": _OBJECTS,
    }

    def wired(self, site: Site, host: str, own: Settings) -> Mapping[str, Any]:
        known, missing = wiring.secrets(own, site.opened)
        return {
            "address": site.hosts[host].address,
            "public_address": site.hosts[host].public_address,
            "secrets": known,
            "missing": missing,
            "wrong": tuple(wiring.wrong(own, known)),
            "way_out": f"127.0.0.1:{site.of(Kamailio).inside}",
            "trunk_header": Kamailio.header,
            "secure_out": bool(site.of(Kamailio).certificate),
            # the last one: a call out may be made by any host, and goes by its Kamailio
            "reconciles": host == site.with_role(self.name)[-1],
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
        yield from self._hosts(site, own, names)
        yield from super().problems(site)

    def wrong_secrets(self, site: Site, known: Mapping[str, Secret]) -> Iterator[Problem]:
        return wiring.wrong(site.of(Settings), known)

    def _hosts(self, site: Site, own: Settings, names: tuple[str, ...]) -> Iterator[Problem]:
        """What is wrong with trunks that only some hosts serve, or that the hosts cannot serve."""
        for name, trunk in own.trunks.items():
            path, out = f"sip.trunks.{name}", trunk.outbound
            for i, host in enumerate(trunk.hosts):
                if host not in names:
                    remedy = f"hosts with it: {', '.join(names) or 'none'}"
                    yield Problem(f"{path}.hosts[{i}]", f"{host!r} is not a host with the role sip", remedy)
            if out and trunk.hosts and set(names) - set(trunk.hosts):
                remedy = "LiveKit chooses the host of a call out: name all, or give calls out a trunk of their own"
                yield Problem(f"{path}.outbound", "is of a trunk that only some hosts serve", remedy)
            if out and out.transport == "tls" and out.via == "kamailio" and not site.of(Kamailio).certificate:
                remedy = "set kamailio.certificate, or via: slot"
                yield Problem(f"{path}.outbound.via", "is kamailio, which speaks no TLS without a certificate", remedy)

    def notes(self, site: Site, host: str) -> Iterator[Problem]:
        own = dataclasses.replace(site.of(Settings), secure_out=bool(site.of(Kamailio).certificate))
        names = site.with_role(self.name)
        if host in names[:1]:
            yield from unheard(own.trunks, own.rules, "sip")
        if host in names and site.hosts[host].public_address != site.hosts[host].address:
            for name, trunk in own.trunks.items():
                if trunk.outbound and not own.by_kamailio(trunk.outbound):
                    fact = f"leads past Kamailio, and {host} is behind NAT: a carrier may not be able to hang up"
                    remedy = "set kamailio.certificate for TLS, or drop via"
                    yield Problem(f"sip.trunks.{name}.outbound", fact, remedy)

    def networks_of(self, site: Site, host: str) -> Mapping[str, tuple[str, ...]]:
        trunks = wiring.on(site.of(Settings), host).values()
        return {**self.networks(site), **_networks(trunks)}

    def networks(self, site: Site) -> Mapping[str, tuple[str, ...]]:
        return {**super().networks(site), **_networks(site.of(Settings).trunks.values())}


def _networks(trunks: Iterable[Trunk]) -> dict[str, tuple[str, ...]]:
    found = tuple(trunks)
    return {
        SIGNALLING: tuple(dict.fromkeys(n for t in found for n in t.networks)),
        MEDIA: tuple(dict.fromkeys(n for t in found for n in t.media_networks or t.networks)),
    }


ROLE = Sip()
