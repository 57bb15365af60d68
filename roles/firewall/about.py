"""What the firewall tells the rest of the house."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from livekit_metal.core.errors import Problem
from livekit_metal.core.ports import Port
from livekit_metal.roles.firewall.settings import UNIT, Relays, Settings
from livekit_metal.roles.livekit.settings import MEDIA, RELAYS
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.site.model import HostStack, Role, Site
from livekit_metal.site.paths import Installed

UNFILTERED = "nothing that comes in is filtered here (firewall.mode is none)"
_ELSEWHERE = "another firewall must: let in what docs/network.md lists, and nothing else that the site has"
_WIDE = 8  # a network with fewer bits than this is as good as everybody


class Firewall(Role[Settings]):
    name = "firewall"
    purpose = "the firewall"
    settings = Settings
    rank = 0

    def on(self, site: Site, host: str) -> Settings:
        networks: dict[str, tuple[str, ...]] = {"": site.cluster_addresses()}
        for role in site.roles:
            networks |= role.networks_of(site, host)
        return dataclasses.replace(
            site.of(Settings),
            ssh_port=site.hosts[host].ssh.port,
            peers=networks,
            lasting=tuple(prefix for role in site.roles for prefix in role.outlasting),
            relays=Relays(
                user=site.of(Livekit).user,
                sources=RELAYS,
                targets=MEDIA,
                nodes=networks["media"],
                lasts=max(int(site.of(Livekit, name).drain.deadline) for name in site.hosts),
            ),
            config_root=site.paths.config,
        )

    def finished(self, site: Site, stack: HostStack, own: Settings) -> Settings:
        return dataclasses.replace(own, ports=stack.ports)

    def ports(self, own: Settings) -> Iterable[Port]:
        return own.ports_of_own()

    def installed(self, site: Site, stack: HostStack, own: Settings) -> Installed:
        return Installed(packages=("nftables",), units=(UNIT,))

    def asked(self, site: Site, stack: HostStack, own: Settings) -> Mapping[str, Any]:
        return {"filters": own.filters, "opened": own.open, "closed": own.closed, "trusted": own.trusted}

    def notes(self, site: Site, host: str) -> Iterator[Problem]:
        own, address = site.of(Settings), site.hosts[host].public_address
        if not own.filters:
            yield Problem(f"{host}: firewall", UNFILTERED, _ELSEWHERE)
            said = [name for name in ("open", "closed", "trusted") if getattr(own, name)]
            if said and host == next(iter(site.hosts)):
                fact = f"{', '.join(said)} says nothing while firewall.mode is none"
                yield Problem("firewall", fact, "carry it over to what filters instead")
            return
        wide = [n for n in own.admin if ipaddress.ip_network(n).prefixlen < _WIDE]
        if wide and ipaddress.ip_address(address).is_global:
            fact = f"lets {', '.join(wide)} open SSH at {address}"
            yield Problem(f"{host}: firewall.admin", fact, "name the networks that you administer from")


ROLE = Firewall()
