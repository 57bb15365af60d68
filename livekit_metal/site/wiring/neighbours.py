"""What each role of a host must know about the site and the other hosts. Put together by compose.py."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from livekit_metal.core.active import Active
from livekit_metal.core.ports import endpoint
from livekit_metal.core.redis_client import RedisClient
from livekit_metal.roles.edge.backends import Acme as EdgeAcme
from livekit_metal.roles.edge.backends import Scraped
from livekit_metal.roles.edge.backends import Slot as EdgeSlot
from livekit_metal.roles.edge.settings import SOCKET as EDGE_SOCKET
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.roles.egress.settings import Settings as Egress
from livekit_metal.roles.exporters.settings import Settings as Exporters
from livekit_metal.roles.firewall.settings import Relays
from livekit_metal.roles.ingress.settings import Settings as Ingress
from livekit_metal.roles.livekit.settings import UNIT as LIVEKIT_UNIT
from livekit_metal.roles.livekit.settings import USER as LIVEKIT_USER
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.roles.prometheus.settings import Settings as Prometheus
from livekit_metal.roles.prometheus.settings import Target
from livekit_metal.roles.redis.settings import Settings as Redis
from livekit_metal.roles.redis.settings import user as redis_user
from livekit_metal.roles.sip.settings import Settings as Sip
from livekit_metal.site.host import CALLERS, DAEMONS
from livekit_metal.vault.vault import Vault

if TYPE_CHECKING:
    from livekit_metal.site.host import Host
    from livekit_metal.site.model import Site

MEDIA = "livekit/media"  # its ports in the registry, without the slot


def peers(site: Site) -> dict[str, tuple[str, ...]]:
    """Cluster addresses by role; those of all hosts under '', those that media comes from under 'media'."""

    def addresses(names: Any) -> tuple[str, ...]:
        return tuple(site.hosts[n].cluster_address for n in names)

    by_role = {role: addresses(site.with_role(role)) for role in (*CALLERS, "redis", "prometheus")}
    serving = [site.hosts[n] for n in site.with_role("livekit")]
    # what a relay sends and gets has the address that clients are told: behind NAT it comes back from there
    media = dict.fromkeys(a for h in serving for a in (h.address, *h.node_ip.split(",")))
    # an exporter beside Redis asks it over the same address as everybody
    return {"": addresses(site.hosts), "exporters": by_role["redis"], "media": tuple(media), **by_role}


def relays(site: Site) -> Relays:
    """For the firewall: relays lead to media of every node, at the address that clients are told."""
    return Relays(
        user=LIVEKIT_USER,
        sources="livekit/turn-relay",
        targets=MEDIA,
        nodes=peers(site)["media"],
        lasts=int(site.livekit.drain.deadline),
    )


def inside(site: Site, host: Host) -> str:
    """Where a host listens for the others of the site: on loopback while there are none."""
    return "127.0.0.1" if len(site.hosts) == 1 else host.cluster_address


def vault_of(site: Site) -> Vault:
    if site.vault is None:
        raise RuntimeError("the site has no secrets yet: stack.site.load() gives it some")
    return site.vault


def redis_address(site: Site) -> str:
    """Where clients find our Redis: on loopback while everything is on one host."""
    host = site.hosts[site.with_role("redis")[0]]
    return endpoint(inside(site, host), site.redis.port.first)


def redis(site: Site, host: Host) -> Redis:
    vault = vault_of(site)
    return dataclasses.replace(
        site.redis,
        address=redis_address(site),
        bind=tuple(dict.fromkeys(("127.0.0.1", inside(site, host)))),
        passwords=vault.passwords("redis"),
        daemon_passwords={role: vault.passwords(f"redis-{role}") for role in DAEMONS if site.with_role(role)},
        monitor_passwords=vault.passwords("redis-monitor"),
        deploy_passwords=vault.passwords("redis-deploy"),
        config_root=site.paths.config,
        state_root=site.paths.state,
    )


def redis_client(site: Site, role: str) -> RedisClient:
    """How the daemon of ``role`` reaches Redis: in one of our own as a user of its own."""
    vault = vault_of(site)
    if external := site.redis.external:
        known = external.password and vault.knows("redis-external")
        return RedisClient(
            address=external.address,
            username=external.user,
            password=vault.passwords("redis-external")[0] if known else None,
            lacks_password=external.password and not known,
            tls=external.tls,
            ca_file=external.ca_file,
            sentinel_master=external.sentinel_master,
            sentinels=external.sentinels,
        )
    password = vault.passwords("redis" if role == "livekit" else f"redis-{role}")[0]
    return RedisClient(address=redis_address(site), username=redis_user(role, password), password=password)


def livekit(site: Site, name: str, host: Host) -> Livekit:
    names = site.with_role("livekit")
    after = names.index(name) + 1
    return dataclasses.replace(
        site.livekit,
        node_ip=host.node_ip,
        media_address=host.address,
        media_ipv6=host.ipv6,
        media_networks=host.media_networks,
        interfaces=host.interfaces,
        turn_name=site.livekit.turn.name(name),
        nodes=tuple(a for n in names for a in site.hosts[n].node_ip.split(",")),
        api_keys=vault_of(site).keys_of_nodes,
        redis=redis_client(site, "livekit"),
        config_root=site.paths.config,
        release_root=site.paths.releases,
        active=active(site),
        lock_file=str(site.lock or ""),
        arch=host.arch,
        room_configurations=site.egress.room_configurations if site.with_role("egress") else {},
        peers=(*names[after:], *names[: after - 1]),
    )


def egress(site: Site, host: Host) -> Egress:
    vault, secret = vault_of(site), site.egress.storage.wants
    api_key, api_secret = vault.used_by_daemons
    return dataclasses.replace(
        site.egress,
        api_key=api_key,
        api_secret=api_secret,
        storage_secret=vault.passwords(secret)[0] if secret and vault.knows(secret) else None,
        ws_url=f"ws://127.0.0.1:{site.edge.http.first}",
        redis=redis_client(site, "egress"),
        config_root=site.paths.config,
        release_root=site.paths.releases,
        state_root=site.paths.state,
        active=active(site),
        lock_file=str(site.lock or ""),
        arch=host.arch,
    )


def active(site: Site) -> Active:
    return Active(f"{site.paths.config}/active.map", EDGE_SOCKET)


def _scraped(site: Site, host: Host) -> tuple[Scraped, ...]:
    """The slots on a host that are not livekit-server's."""
    daemons: dict[str, Egress | Ingress | Sip] = {"egress": site.egress, "ingress": site.ingress, "sip": site.sip}
    return tuple(
        Scraped(component=name, slot=slot, port=daemon.part("metrics", slot).first)
        for name, daemon in daemons.items()
        if name in host.roles
        for slot in daemon.slots
    )


def edge(site: Site, name: str, host: Host) -> Edge:
    livekit = site.livekit
    return dataclasses.replace(
        site.edge,
        address=inside(site, host),
        slots=tuple(
            EdgeSlot(
                name=s,
                signal=livekit.part("signal", s).first,
                metrics=livekit.part("metrics", s).first,
                turn=livekit.part("turn-tls", s).first,
            )
            for s in (livekit.slots if "livekit" in host.roles else ())
        ),
        turn_name=livekit.turn.name(name),
        turn_address=host.address,
        others=_scraped(site, host),
        slot_unit=LIVEKIT_UNIT,
        peers={n: site.hosts[n].cluster_address for n in site.with_role("livekit") if n != name},
        config_root=site.paths.config,
        active=active(site),
        monitored=bool(site.with_role("prometheus")),
        served=site.served.get(name),
        acme=acme_at_edge(site) if site.edge.tls == "acme" else None,
    )


def acme_at_edge(site: Site) -> EdgeAcme:
    over_http = site.acme.challenge == "http"
    return EdgeAcme(config_root=site.paths.config, thumbprint=site.acme.thumbprint if over_http else "")


def exporters(site: Site, host: Host) -> Exporters:
    here = "redis" in host.roles
    return dataclasses.replace(
        site.exporters,
        address=inside(site, host),
        redis_address=redis_address(site) if here else "",
        redis_password=vault_of(site).passwords("redis-monitor")[0] if here else None,
        config_root=site.paths.config,
    )


def prometheus(site: Site) -> Prometheus:
    targets = []
    for name, host in site.hosts.items():
        at = {"host": name, "address": inside(site, host)}
        targets.append(Target(job="node", port=site.exporters.node.first, **at))
        if "redis" in host.roles:
            targets.append(Target(job="redis", port=site.exporters.redis.first, **at))
        if host.calls:
            port, slots = site.edge.metrics.first, edge(site, name, host).scraped
            targets.append(Target(job="edge", port=port, **at))
            if site.edge.encrypted:
                targets.append(Target(job="certificate", port=port, path="/certificate", **at))
            targets += [
                Target(job=s.component, port=port, path=f"/{s.component}/{s.slot}", slot=s.slot, **at) for s in slots
            ]
    return dataclasses.replace(
        site.prometheus, targets=tuple(targets), config_root=site.paths.config, state_root=site.paths.state
    )
