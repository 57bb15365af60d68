"""What the roles of a host need from Debian, and which units are ours: the input of the role base."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from livekit_metal.core.slot_decision import GUARD, HIDEPID, SEES
from livekit_metal.roles.acme.settings import TIMER as ACME_TIMER
from livekit_metal.roles.acme.settings import UNIT as ACME_UNIT
from livekit_metal.roles.acme.settings import USER as ACME_USER
from livekit_metal.roles.base.settings import Settings as Base
from livekit_metal.roles.edge.settings import UNIT as EDGE_UNIT
from livekit_metal.roles.egress.settings import UNIT as EGRESS_UNIT
from livekit_metal.roles.egress.settings import USER as EGRESS_USER
from livekit_metal.roles.exporters.settings import METRICS_UNIT, NODE_UNIT, NODE_USER, REDIS_UNIT
from livekit_metal.roles.firewall.settings import UNIT as FIREWALL_UNIT
from livekit_metal.roles.ingress.settings import UNIT as INGRESS_UNIT
from livekit_metal.roles.ingress.settings import USER as INGRESS_USER
from livekit_metal.roles.kamailio.settings import UNIT as KAMAILIO_UNIT
from livekit_metal.roles.livekit.settings import UNIT as LIVEKIT_UNIT
from livekit_metal.roles.livekit.settings import USER
from livekit_metal.roles.prometheus.settings import UNIT as PROMETHEUS_UNIT
from livekit_metal.roles.redis.settings import FORWARD_UNIT
from livekit_metal.roles.redis.settings import UNIT as REDIS_SERVER_UNIT
from livekit_metal.roles.sip.settings import UNIT as SIP_UNIT
from livekit_metal.roles.sip.settings import USER as SIP_USER
from livekit_metal.site.wiring import tls

if TYPE_CHECKING:
    from livekit_metal.site.host import Host
    from livekit_metal.site.model import Site

# GStreamer as ingress 1.5.0 uses it, from Debian
_GSTREAMER = (
    *(f"gstreamer1.0-plugins-{name}" for name in ("base", "good", "bad", "ugly")),
    "gstreamer1.0-libav",
    "libgstreamer-plugins-bad1.0-0",
)
_SIP = ("kamailio", "kamailio-tls-modules", "libopus0", "libopusfile0", "libsoxr0")
_ALWAYS = ("ca-certificates", "curl", "nftables", "procps", "util-linux")


@dataclass(frozen=True, slots=True)
class _Part:
    """Packages, the stock unit that comes with them and would take our ports ('' for none), our units, our users."""

    here: bool
    packages: tuple[str, ...]
    stock: str
    units: tuple[str, ...]
    users: tuple[str, ...] = ()


def base(site: Site, host: Host, fingerprint: str) -> Base:
    """The settings of base on ``host``."""
    parts = [part for part in _parts(site, host) if part.here]
    return dataclasses.replace(
        site.base,
        needed=(*_ALWAYS, *(name for part in parts for name in part.packages)),
        masked=tuple(part.stock for part in parts if part.stock),
        daemons=(FIREWALL_UNIT, *(unit for part in parts for unit in part.units)),
        users=tuple(user for part in parts for user in part.users),
        fingerprint=fingerprint,
        config_root=site.paths.config,
        release_root=site.paths.releases,
        state_root=site.paths.state,
    )


def _parts(site: Site, host: Host) -> tuple[_Part, ...]:
    redis, livekit, prometheus, sip = (role in host.roles for role in ("redis", "livekit", "prometheus", "sip"))
    acme = site.edge.tls == "acme" and host in [site.hosts[name] for name in tls.hosts(site)]
    watched = bool(site.with_role("prometheus"))
    calls = livekit and site.livekit.probe != "controller"  # are made from hosts
    slots = tuple(LIVEKIT_UNIT.format(slot) for slot in site.livekit.slots)
    recorders = tuple(EGRESS_UNIT.format(slot) for slot in site.egress.slots)
    exporter = "prometheus-{}-exporter"
    return (
        _Part(redis, ("redis-server", "redis-tools"), "redis-server.service", (REDIS_SERVER_UNIT, FORWARD_UNIT)),
        _Part(host.calls, ("haproxy",), "haproxy.service", (EDGE_UNIT, GUARD)),
        _Part(acme, ("lego", "openssl"), "", (ACME_UNIT, ACME_TIMER), (ACME_USER,)),
        _Part(livekit, (), "", slots, (USER,)),
        _Part("egress" in host.roles, site.egress.packages, "", recorders, (EGRESS_USER,)),
        _Part("ingress" in host.roles, _GSTREAMER, "", _ingress(site), (INGRESS_USER, *_seeing(site))),
        _Part(sip, _SIP, "kamailio.service", (KAMAILIO_UNIT, *map(SIP_UNIT.format, site.sip.slots)), (SIP_USER,)),
        _Part(calls, ("python3",), "", ()),
        _Part(prometheus, ("prometheus",), "prometheus.service", (PROMETHEUS_UNIT,)),
        _Part(
            watched,
            (exporter.format("node"),),
            f"{exporter.format('node')}.service",
            (NODE_UNIT, METRICS_UNIT),
            (NODE_USER,),
        ),
        _Part(watched and redis, (exporter.format("redis"),), f"{exporter.format('redis')}.service", (REDIS_UNIT,)),
    )


def _ingress(site: Site) -> tuple[str, ...]:
    """The units of ingress on a host."""
    slots = tuple(INGRESS_UNIT.format(slot) for slot in site.ingress.slots)
    return (*slots, HIDEPID) if site.ingress.process_list == "hide" else slots


def _seeing(site: Site) -> tuple[str, ...]:
    """Whose group goes on seeing processes."""
    return (SEES,) if site.ingress.process_list == "hide" else ()
