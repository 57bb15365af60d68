"""What the site's ingress means for the other roles of a host. Put together by compose.py."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.core.ports import endpoint
from livekit_metal.roles.edge.backends import Streams, StreamSlot
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.roles.ingress.settings import UNIT
from livekit_metal.roles.ingress.settings import Settings as Ingress
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.roles.preflight.settings import Cost
from livekit_metal.roles.preflight.settings import Settings as Preflight
from livekit_metal.roles.preflight.settings import Streams as Asked
from livekit_metal.site.wiring import neighbours

if TYPE_CHECKING:
    from livekit_metal.site.host import Host
    from livekit_metal.site.model import Site


def ingress(site: Site, host: Host) -> Ingress:
    return dataclasses.replace(
        site.ingress,
        node_ip=host.public_address,
        media_address=host.address,
        ws_port=site.edge.http.first,
        api_keys=dict([neighbours.vault_of(site).used_by_daemons]),
        redis=neighbours.redis_client(site, "ingress"),
        config_root=site.paths.config,
        release_root=site.paths.releases,
        active=neighbours.active(site),
        lock_file=str(site.lock or ""),
        arch=host.arch,
    )


def told(site: Site, livekit: Livekit) -> Livekit:
    """livekit-server with the addresses that it gives to whoever creates an ingress."""
    if not (serving := site.with_role("ingress")):
        return livekit
    edge = site.edge
    public = edge.domain or site.hosts[serving[0]].public_address
    whip = f"http://{endpoint(public, edge.http.first)}{edge.path_prefix}/w"
    if edge.encrypted:
        whip = f"https://{f'[{public}]' if ':' in public else public}{edge.url_suffix}/w"
    return dataclasses.replace(
        livekit,
        ingress={
            "rtmp_base_url": site.ingress.rtmp_base_url or f"rtmp://{endpoint(public, edge.rtmp.first)}/x",
            "whip_base_url": site.ingress.whip_base_url or whip,
        },
    )


def in_front(site: Site, name: str, edge: Edge) -> Edge:
    """The edge with what takes streams, here and on other hosts."""
    if not (serving := site.with_role("ingress")):
        return edge
    ours = site.ingress
    names = ours.slots if name in serving else ()
    ports = {s: {p: ours.part(p, s).first for p in ("rtmp", "whip", "health")} for s in names}
    return dataclasses.replace(
        edge,
        streams=Streams(
            slots=tuple(StreamSlot(name=s, **ports[s]) for s in names),
            unit=UNIT,
            peers={n: site.hosts[n].cluster_address for n in serving if n != name},
        ),
    )


def asked(site: Site, host: Host, preflight: Preflight) -> Preflight:
    """Preflight with what ingress needs of a host."""
    if "ingress" not in host.roles:
        return preflight
    costs, ours = site.ingress.cpu_cost, site.ingress
    kinds = {"rtmp": costs.min_idle / 2, "whip": costs.min_idle / 2, "url": costs.min_idle}
    return dataclasses.replace(
        preflight,
        addresses=tuple(dict.fromkeys((*preflight.addresses, host.address))),
        streams=Asked(
            costs=tuple(
                Cost(
                    path=f"ingress.cpu_cost.{kind}",
                    cores=costs.cost(kind),
                    kept=kept,
                    said=getattr(costs, kind) is not None,
                )
                for kind, kept in kinds.items()
            ),
            cores=costs.cores,
            media_ports_per_slot=min(len(ours.part("media_udp", s)) for s in ours.slots),
            refuse_shown_arguments=ours.process_list == "refuse",
        ),
    )


def problems(site: Site) -> Iterator[Problem]:
    """What is wrong about ingress in the whole site."""
    if not (serving := site.with_role("ingress")):
        return
    try:
        release = site.ingress.release_spec()
        for name in serving:
            release.check(site.hosts[name].arch)
    except SiteError as error:
        yield from error.problems
    if site.edge.hard_stop_after < site.ingress.drain.deadline:
        fact = f"is {site.edge.hard_stop_after}, less than ingress.drain.deadline ({site.ingress.drain.deadline})"
        yield Problem("edge.hard_stop_after", fact, "raise it: a reload would cut the RTMP of a slot that still drains")
