"""What ingress tells the rest of the house."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from livekit_metal.core.errors import Problem
from livekit_metal.core.ports import endpoint
from livekit_metal.core.slots.decision import HIDEPID, SEES
from livekit_metal.roles.edge.backends import Streams, StreamSlot, scraped
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.roles.ingress.settings import CACHE, UNIT, USER, Settings
from livekit_metal.roles.preflight.settings import Cost
from livekit_metal.roles.preflight.settings import Streams as Asked
from livekit_metal.site import slotted
from livekit_metal.site.model import HostStack, Role, Site
from livekit_metal.site.paths import Installed

# GStreamer as ingress 1.5.0 uses it, from Debian
_GSTREAMER = (
    *(f"gstreamer1.0-plugins-{name}" for name in ("base", "good", "bad", "ugly")),
    "gstreamer1.0-libav",
    "libgstreamer-plugins-bad1.0-0",
)


class Ingress(Role[Settings]):
    name = "ingress"
    purpose = "ingress: streams by RTMP and WHIP"
    settings = Settings
    named = caller = slots = at_every_edge = True
    outlasting = (UNIT.partition("{")[0],)

    def on(self, site: Site, host: str) -> Settings | None:
        if (own := super().on(site, host)) is None:
            return None
        return dataclasses.replace(
            own,
            node_ip=site.hosts[host].public_address,
            media_address=site.hosts[host].address,
            ws_port=site.of(Edge).http.first,
            api_keys=dict([site.opened.used_by_daemons]),
            **slotted.told(site, host, self.name),
        )

    def installed(self, site: Site, stack: HostStack, own: Settings) -> Installed:
        hides, slots = own.process_list == "hide", tuple(map(UNIT.format, own.slots))
        return Installed(
            packages=_GSTREAMER,
            units=(*slots, HIDEPID) if hides else slots,
            users=(USER, SEES) if hides else (USER,),
            directories=(CACHE,),
        )

    def problems(self, site: Site) -> Iterator[Problem]:
        own, edge = site.of(Settings), site.of(Edge)
        yield from slotted.release_problems(site, self.name, own)
        if site.with_role(self.name) and edge.hard_stop_after < own.drain.deadline:
            fact = f"is {edge.hard_stop_after}, less than ingress.drain.deadline ({own.drain.deadline})"
            remedy = "raise it: a reload would cut the RTMP of a slot that still drains"
            yield Problem("edge.hard_stop_after", fact, remedy)

    def gives(self, site: Site, host: str) -> Mapping[str, Mapping[str, Any]]:
        if not (having := site.with_role(self.name)):
            return {}
        own, here = site.of(Settings), host in having
        ports = {s: {p: own.part(p, s).first for p in ("rtmp", "whip", "health")} for s in (own.slots if here else ())}
        streams = Streams(
            slots=tuple(StreamSlot(name=s, **each) for s, each in ports.items()),
            unit=UNIT,
            peers={n: site.hosts[n].cluster_address for n in having if n != host},
        )
        return {
            "livekit": {"ingress": _urls(site, having[0])},
            "edge": {"others": scraped(self.name, own) if here else (), "streams": streams},
        }

    def asked(self, site: Site, stack: HostStack, own: Settings) -> Mapping[str, Any]:
        costs = own.cpu_cost
        kinds = {"rtmp": costs.min_idle / 2, "whip": costs.min_idle / 2, "url": costs.min_idle}
        each = (
            Cost(
                path=f"ingress.cpu_cost.{kind}",
                cores=costs.cost(kind),
                kept=kept,
                said=getattr(costs, kind) is not None,
            )
            for kind, kept in kinds.items()
        )
        streams = Asked(
            costs=tuple(each),
            cores=costs.cores,
            media_ports_per_slot=min(len(own.part("media_udp", s)) for s in own.slots),
            refuse_shown_arguments=own.process_list == "refuse",
        )
        return {"addresses": (site.hosts[stack.host].address,), "streams": streams}


def _urls(site: Site, first: str) -> dict[str, str]:
    """The addresses that livekit-server gives to whoever creates an ingress."""
    own, edge = site.of(Settings), site.of(Edge)
    public = edge.domain or site.hosts[first].public_address
    whip = f"http://{endpoint(public, edge.http.first)}{edge.path_prefix}/w"
    if edge.encrypted:
        whip = f"https://{f'[{public}]' if ':' in public else public}{edge.url_suffix}/w"
    return {
        "rtmp_base_url": own.rtmp_base_url or f"rtmp://{endpoint(public, edge.rtmp.first)}/x",
        "whip_base_url": own.whip_base_url or whip,
    }


ROLE = Ingress()
