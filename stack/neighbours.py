"""What each role of a host must know about the site and the other hosts. Put together by compose.py."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from roles.edge import Settings as Edge
from roles.edge.settings import SOCKET as EDGE_SOCKET
from roles.edge.settings import Slot as EdgeSlot
from roles.exporters import Settings as Exporters
from roles.livekit import Settings as Livekit
from roles.livekit.settings import UNIT as LIVEKIT_UNIT
from roles.preflight import Settings as Preflight
from roles.preflight.settings import Peer
from roles.prometheus import Settings as Prometheus
from roles.prometheus.settings import Target
from roles.redis import Settings as Redis
from roles.redis.settings import user as redis_user
from stack import packages
from stack.active import Active
from stack.ports import Port, endpoint
from stack.redis_client import RedisClient
from stack.sizing import Need, need
from stack.vault import Vault

if TYPE_CHECKING:
    from stack.host import Host
    from stack.site import Site


def peers(site: Site) -> dict[str, tuple[str, ...]]:
    """Cluster addresses by role; those of all hosts under ''."""

    def addresses(names: Any) -> tuple[str, ...]:
        return tuple(site.hosts[n].cluster_address for n in names)

    by_role = {role: addresses(site.with_role(role)) for role in ("livekit", "redis", "prometheus")}
    # an exporter beside Redis asks it over the same address as everybody
    return {"": addresses(site.hosts), "exporters": by_role["redis"], **by_role}


def vault_of(site: Site) -> Vault:
    if site.vault is None:
        raise RuntimeError("the site has no secrets yet: stack.site.load() gives it some")
    return site.vault


def redis_address(site: Site) -> str:
    """Where clients find our Redis: on loopback while everything is on one host."""
    host = site.hosts[site.with_role("redis")[0]]
    return endpoint("127.0.0.1" if len(site.hosts) == 1 else host.cluster_address, site.redis.port.first)


def redis(site: Site, host: Host) -> Redis:
    vault = vault_of(site)
    return dataclasses.replace(
        site.redis,
        address=redis_address(site),
        bind=("127.0.0.1",) if len(site.hosts) == 1 else ("127.0.0.1", host.cluster_address),
        passwords=vault.passwords("redis"),
        monitor_passwords=vault.passwords("redis-monitor"),
        deploy_passwords=vault.passwords("redis-deploy"),
        config_root=site.paths.config,
        state_root=site.paths.state,
    )


def redis_client(site: Site) -> RedisClient:
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
    password = vault.passwords("redis")[0]
    return RedisClient(address=redis_address(site), username=redis_user(password), password=password)


def livekit(site: Site, name: str, host: Host) -> Livekit:
    names = site.with_role("livekit")
    after = names.index(name) + 1
    return dataclasses.replace(
        site.livekit,
        node_ip=host.public_address,
        media_address=host.address,
        turn_name=site.livekit.turn.name(name),
        nodes=tuple(site.hosts[n].public_address for n in names),
        api_keys=vault_of(site).api_keys,
        redis=redis_client(site),
        config_root=site.paths.config,
        release_root=site.paths.releases,
        active=active(site),
        lock_file=str(site.lock or ""),
        arch=host.arch,
        peers=(*names[after:], *names[: after - 1]),
    )


def active(site: Site) -> Active:
    return Active(f"{site.paths.config}/active.map", EDGE_SOCKET)


def edge(site: Site, name: str, host: Host) -> Edge:
    livekit = site.livekit
    return dataclasses.replace(
        site.edge,
        address=host.cluster_address,
        slots=tuple(
            EdgeSlot(
                name=s,
                signal=livekit.part("signal", s).first,
                metrics=livekit.part("metrics", s).first,
                turn=livekit.part("turn-tls", s).first,
            )
            for s in livekit.slots
        ),
        turn_name=livekit.turn.name(name),
        turn_address=host.address,
        slot_unit=LIVEKIT_UNIT,
        peers={n: site.hosts[n].cluster_address for n in site.with_role("livekit") if n != name},
        config_root=site.paths.config,
        active=active(site),
        monitored=bool(site.with_role("prometheus")),
        served=site.served.get(name),
    )


def exporters(site: Site, host: Host) -> Exporters:
    here = "redis" in host.roles
    return dataclasses.replace(
        site.exporters,
        address=host.cluster_address,
        redis_address=redis_address(site) if here else "",
        redis_password=vault_of(site).passwords("redis-monitor")[0] if here else None,
        config_root=site.paths.config,
    )


def prometheus(site: Site) -> Prometheus:
    targets = []
    for name, host in site.hosts.items():
        at = {"host": name, "address": host.cluster_address}
        targets.append(Target(job="node", port=site.exporters.node.first, **at))
        if "redis" in host.roles:
            targets.append(Target(job="redis", port=site.exporters.redis.first, **at))
        if "livekit" in host.roles:
            port = site.edge.metrics.first
            targets.append(Target(job="edge", port=port, **at))
            if site.edge.encrypted:
                targets.append(Target(job="certificate", port=port, path="/certificate", **at))
            targets += [
                Target(job="livekit", port=port, path=f"/livekit/{slot}", slot=slot, **at)
                for slot in site.livekit.slots
            ]
    return dataclasses.replace(
        site.prometheus, targets=tuple(targets), config_root=site.paths.config, state_root=site.paths.state
    )


def knocks(site: Site, name: str, host: Host) -> tuple[Peer, ...]:
    """Where ``host`` must get through, one port for each other host: those that its firewall opens for this one."""
    ports: dict[str, int] = {}
    if "prometheus" in host.roles:
        ports |= dict.fromkeys(site.hosts, site.exporters.node.first)
    if "livekit" in host.roles:
        ports |= dict.fromkeys(site.with_role("redis"), site.redis.port.first)
        ports |= dict.fromkeys(site.with_role("livekit"), site.edge.peer.first)
    return tuple(Peer(name=n, address=site.hosts[n].cluster_address, port=p) for n, p in ports.items() if n != name)


def _need(site: Site, host: Host) -> Need | None:
    """What the expected load asks of ``host``; None when none is named, or it carries none of it."""
    if not site.load.named or "livekit" not in host.roles:
        return None
    return need(site.load, len(site.with_role("livekit")), redis_mb=site.redis.max_memory_mb * ("redis" in host.roles))


def preflight(site: Site, name: str, host: Host, registry: tuple[Port, ...]) -> Preflight:
    own = [host.cluster_address] + ([host.address] if "livekit" in host.roles else [])
    calls = site.livekit.probe if "livekit" in host.roles and site.livekit.probe != "controller" else ""
    media = min(len(site.livekit.part("media", s)) for s in site.livekit.slots)
    return dataclasses.replace(
        site.preflight,
        host=name,
        ports=registry,
        addresses=tuple(dict.fromkeys(own)) if len(site.hosts) > 1 or "livekit" in host.roles else (),
        arch=host.arch,
        peers=knocks(site, name, host),
        daemons=packages.base(site, host, "").daemons,
        media_ports_per_slot=media if "livekit" in host.roles else 0,
        calls=calls,
        hairpin=host.public_address if calls == "host" and host.public_address != host.address else "",
        media=site.livekit.media_udp,
        fingerprint=vault_of(site).fingerprint(),
        fingerprint_file=f"{site.paths.config}/fingerprint",
        secrets_file=str(vault_of(site).path),
        roots=(site.paths.config, site.paths.releases, site.paths.state),
        need=_need(site, host),
    )
