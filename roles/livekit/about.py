"""What livekit-server tells the rest of the house."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from livekit_metal.core.errors import Problem
from livekit_metal.releases import compatibility
from livekit_metal.releases.compatibility import Span
from livekit_metal.roles.livekit import regions
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.roles.livekit.turn import REDIRECT_UNIT
from livekit_metal.roles.preflight.settings import Offered
from livekit_metal.site.model import HostStack, Site
from livekit_metal.site.paths import Installed
from livekit_metal.site.slotted import SlottedRole, release_problems

_INSIDE = "1.13.6"  # the first that has rtc.advertise_internal_ip beside rtc.node_ip
_BY_CHANCE = "whoever has no other way would get through to some rooms and not to others"


class Livekit(SlottedRole[Settings]):
    name = "livekit"
    purpose = "livekit-server"
    settings = Settings
    by_edge = "WebSockets"
    reports = False
    everywhere: ClassVar[Mapping[str, str]] = {
        **SlottedRole.everywhere,
        "media_udp": "relays of TURN on the other hosts lead there",
        "ice_over_tcp": _BY_CHANCE,
        "turn.enabled": _BY_CHANCE,
        "room": "a room is made by whichever host is asked",
    }

    def wired(self, site: Site, host: str, own: Settings) -> Mapping[str, Any]:
        at, names = site.hosts[host], site.with_role(self.name)
        after = names.index(host) + 1
        return {
            "node_ip": at.node_ip,
            "inside": at.inside,
            "stun": at.stun if at.discovered else (),
            "media_address": at.address,
            "media_ipv6": at.ipv6,
            "media_networks": at.media_networks,
            "interfaces": at.interfaces,
            "turn_name": own.turn.name(host),
            "nodes": tuple(a for n in names for a in site.hosts[n].told),
            "api_keys": site.opened.keys_of_nodes,
            "peers": (*names[after:], *names[: after - 1]),
            **site.given_to(self.name, host),
        }

    def installed(self, site: Site, stack: HostStack, own: Settings) -> Installed:
        found = super().installed(site, stack, own)
        return dataclasses.replace(found, units=(*found.units, REDIRECT_UNIT)) if own.turn.udp_443 else found

    def packages(self, own: Settings) -> tuple[str, ...]:
        return ("python3",) if own.probe != "controller" else ()  # calls are made on hosts

    def gives(self, site: Site, host: str) -> Mapping[str, Mapping[str, Any]]:
        return {}  # the edge has its slots already: clients come through there

    def problems(self, site: Site) -> Iterator[Problem]:
        own, serving = site.of(Settings), site.with_role(self.name)
        yield from super().problems(site)
        yield from _together(site)
        yield from _order(site)
        yield from regions.problems(site)
        yield from _untold(site)
        if own.probe == "peer" and len(serving) == 1:
            fact = f"is 'peer' and only {serving[0]} has the role livekit"
            yield Problem("livekit.probe", fact, "set it to controller or host, or give another host the role")
        if not serving:
            yield Problem("hosts", "none has the role livekit", "give it to at least one host")

    def networks(self, site: Site) -> Mapping[str, tuple[str, ...]]:
        serving = [site.hosts[n] for n in site.with_role(self.name)]
        # what a relay sends and gets has the address that clients are told: behind NAT it comes back from there
        media = dict.fromkeys(a for h in serving for a in (h.address, *h.told))
        return {"media": tuple(media), **super().networks(site)}

    def asked(self, site: Site, stack: HostStack, own: Settings) -> Mapping[str, Any]:
        at = site.hosts[stack.host]
        return {
            "addresses": (at.address, *filter(None, (at.ipv6,))),
            "media_ports_per_slot": min(len(own.part("media", s)) for s in own.slots),
            "calls": own.probe if own.probe != "controller" else "",
            "hairpin": at.public_address if at.public_address != at.address and not at.inside else "",
            "offered": Offered(
                node_ip=at.node_ip,
                inside=at.told[len(at.node_ip.split(",")) :],
                networks=at.media_networks,
                interfaces=at.interfaces,
                narrowed=bool(at.ips or at.interfaces),
                over_tls=bool(own.turn.domain),
            ),
            "apart": site.opened.apart or 0,
        }


def _together(site: Site) -> Iterator[Problem]:
    """Versions of daemons that do not fit each other."""
    chosen: dict[str, str] = {}  # program -> version
    for role in (each for each in site.roles if each.slots and site.with_role(each.name)):
        settings: Any = site.of(role.settings)
        if list(release_problems(site, role.name, settings)):
            continue
        release = settings.release_spec()
        chosen[release.component] = release.version
    if isinstance(found := compatibility.together(chosen), Problem):
        yield found


def _untold(site: Site) -> Iterator[Problem]:
    """Inside addresses that a release would not tell (mediatransportutil, pkg/rtcconfig/webrtc_config.go)."""
    version = site.of(Settings).release
    for name in site.with_role("livekit"):
        if site.hosts[name].inside and version in Span(before=_INSIDE):
            fact = (
                f"needs livekit-server {_INSIDE}: {version} tells public alone, whatever rtc.advertise_internal_ip says"
            )
            remedy = f"set livekit.release to {_INSIDE} or newer, or have NAT bring back what comes from inside"
            yield Problem(f"hosts.{name}.inside", fact, remedy)


def _order(site: Site) -> Iterator[Problem]:
    """Who needs livekit-server comes when one serves: a deploy goes host by host."""
    names, serving = list(site.hosts), site.with_role("livekit")
    for role in site.callers:
        for name in site.with_role(role):
            if serving and names.index(name) < names.index(serving[0]):
                fact = f"has the role {role} and comes before {serving[0]}, the first with livekit"
                yield Problem(f"hosts.{name}", fact, f"move it behind {serving[0]}: it is activated in this order")


ROLE = Livekit()
