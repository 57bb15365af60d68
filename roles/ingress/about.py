"""What ingress tells the rest of the house."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from livekit_metal.core.ports import endpoint
from livekit_metal.core.slots.decision import HIDEPID, SEES
from livekit_metal.roles.edge.backends import Streams, StreamSlot
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.roles.ingress.settings import CACHE, Settings
from livekit_metal.site.model import HostStack, Site
from livekit_metal.site.paths import Installed
from livekit_metal.site.slotted import SlottedRole

# GStreamer as ingress 1.5.0 uses it, from Debian
_GSTREAMER = (
    *(f"gstreamer1.0-plugins-{name}" for name in ("base", "good", "bad", "ugly")),
    "gstreamer1.0-libav",
    "libgstreamer-plugins-bad1.0-0",
)

_CHOSEN = "a stream is told one place for the whole site"


class Ingress(SlottedRole[Settings]):
    name = "ingress"
    purpose = "ingress: streams by RTMP and WHIP"
    settings = Settings
    everywhere: ClassVar[Mapping[str, str]] = {
        **SlottedRole.everywhere,
        "rtmp_base_url": _CHOSEN,
        "whip_base_url": _CHOSEN,
    }
    at_every_edge = True
    by_edge = "RTMP"
    explained_by = ("redis", "bus", "hairpin", "slot")  # streams reach livekit-server at its public address

    def wired(self, site: Site, host: str, own: Settings) -> Mapping[str, Any]:
        return {"node_ip": site.hosts[host].public_address, "media_address": site.hosts[host].address}

    def packages(self, own: Settings) -> tuple[str, ...]:
        return _GSTREAMER

    def installed(self, site: Site, stack: HostStack, own: Settings) -> Installed:
        found = dataclasses.replace(super().installed(site, stack, own), directories=(CACHE,))
        if own.process_list != "hide":
            return found
        return dataclasses.replace(found, units=(*found.units, HIDEPID), users=(*found.users, SEES))

    def gives(self, site: Site, host: str) -> Mapping[str, Mapping[str, Any]]:
        if not (having := site.with_role(self.name)):
            return {}
        own, here = site.of(Settings), host in having
        ports = {s: {p: own.part(p, s).first for p in ("rtmp", "whip", "health")} for s in (own.slots if here else ())}
        streams = Streams(
            slots=tuple(StreamSlot(name=s, **each) for s, each in ports.items()),
            unit=own.unit,
            peers={n: site.hosts[n].cluster_address for n in having if n != host},
        )
        return {
            "livekit": {"ingress": _urls(site, having[0])},
            "edge": {**super().gives(site, host).get("edge", {}), "streams": streams},
        }

    def asked(self, site: Site, stack: HostStack, own: Settings) -> Mapping[str, Any]:
        return {"addresses": (site.hosts[stack.host].address,)}


def _urls(site: Site, first: str) -> dict[str, str]:
    """The addresses that livekit-server gives to whoever creates an ingress."""
    own, edge = site.of(Settings), site.of(Edge)
    public = edge.domain or site.hosts[first].public_address
    whip = f"http://{endpoint(public, edge.http.first)}{edge.path_prefix}/w"
    if edge.encrypted or edge.proxied_site:
        whip = f"https://{f'[{public}]' if ':' in public else public}{edge.url_suffix}/w"
    return {
        "rtmp_base_url": own.rtmp_base_url or f"rtmp://{endpoint(public, edge.rtmp.first)}/x",
        "whip_base_url": own.whip_base_url or whip,
    }


ROLE = Ingress()
