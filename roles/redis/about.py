"""What Redis tells the rest of the house."""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
from collections.abc import Iterator, Mapping
from typing import ClassVar

from livekit_metal.core.errors import Problem
from livekit_metal.roles.redis.settings import FORWARD_UNIT, FORWARD_UNIT_BEFORE, STOCK, UNIT, Settings
from livekit_metal.site import redis
from livekit_metal.site.model import HostStack, Role, Site
from livekit_metal.site.paths import Installed


class Redis(Role[Settings]):
    name = "redis"
    purpose = "Redis"
    settings = Settings
    everywhere: ClassVar[Mapping[str, str]] = {"": "one Redis serves them all"}
    rank = 0
    named = True
    outlasting = (UNIT, FORWARD_UNIT, FORWARD_UNIT_BEFORE)

    def on(self, site: Site, host: str) -> Settings | None:
        if (own := super().on(site, host)) is None:
            return None
        vault = site.opened
        daemons = [role for role in redis.callers(site) if role != "livekit" and site.with_role(role)]
        return dataclasses.replace(
            own,
            address=redis.address(site),
            bind=tuple(dict.fromkeys(("127.0.0.1", site.inside(host)))),
            passwords=vault.passwords("redis"),
            daemon_passwords={role: vault.passwords(f"redis-{role}") for role in daemons},
            monitor_passwords=vault.passwords("redis-monitor"),
            deploy_passwords=vault.passwords("redis-deploy"),
            callers=redis.callers(site),
            config_root=site.paths.config,
            state_root=site.paths.state,
        )

    def installed(self, site: Site, stack: HostStack, own: Settings) -> Installed:
        return Installed(packages=own.packages, masked=STOCK, units=self.outlasting)

    def problems(self, site: Site) -> Iterator[Problem]:
        owners, external = site.with_role("redis"), site.of(Settings).external
        if external:
            if owners:
                yield Problem("redis.external", f"is set and {owners[0]} has the role redis", "drop one of them")
        elif len(owners) != 1:
            fact = "no host has the role redis" if not owners else f"{', '.join(owners)} have the role redis"
            yield Problem("hosts", fact, "give it to exactly one host, or set redis.external")
        if site.cluster_is_private:
            return
        # of one that is named, DNS decides where it is
        for address in filter(None, (external.address, *external.sentinels)) if external and not external.tls else ():
            with contextlib.suppress(ValueError):
                if ipaddress.ip_address(address.rpartition(":")[0].strip("[]")).is_global:
                    remedy = "set redis.external.tls, or give it an address in a private network"
                    yield Problem("redis.external", f"its password would go to {address} unencrypted", remedy)
        for name in () if external or len(site.hosts) == 1 else owners:
            if ipaddress.ip_address(cluster := site.hosts[name].cluster_address).is_global:
                remedy = f"give hosts.{name}.cluster a private address, or use redis.external with tls"
                yield Problem("redis", f"would listen on the public address {cluster} without TLS", remedy)

    def networks(self, site: Site) -> Mapping[str, tuple[str, ...]]:
        # an exporter beside Redis asks it over the same address as every client
        own = site.cluster_addresses(self.name)
        return {"exporters": own, self.name: own}


ROLE = Redis()
