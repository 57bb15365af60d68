"""Settings of the firewall."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, derived, option
from livekit_metal.core.foreign import Opening, closed_problem, interface_problem, ports_of
from livekit_metal.core.ports import Port, PortRange, Proto, Reach
from livekit_metal.core.types.text import Network

UNIT = "livekit-firewall.service"
ROLLBACK = "livekit-firewall-rollback"  # a timer and what it starts, while a change is not confirmed
TABLE = "livekit_metal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relays:
    """TURN's relays, and the media that they lead to. Ports of the registry by owner/name, without the slot."""

    user: str = ""  # whose processes relays are part of
    sources: str = ""
    targets: str = ""
    nodes: tuple[str, ...] = ()  # addresses of the targets, on all hosts
    lasts: int = 0  # s that a slot may go on with the ports of an earlier deploy


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """One nftables table, ``inet livekit_metal``; other tables are never touched."""

    mode: Literal["site", "none"] = option(
        "site",
        "site: only what the site needs, and what is open below, is let in; none: nothing is filtered here, and "
        "somebody else must (docs/network.md says what); where relays of TURN lead is kept in either",
    )
    admin: tuple[Network, ...] = option(("0.0.0.0/0", "::/0"), "networks that may open SSH; narrow them in production")
    confirm: int = option(60, "seconds after which a change is rolled back unless a new SSH connection confirmed it")
    log: bool = option(True, "log dropped packets to the kernel log, 5 per second at most")
    open: tuple[Opening, ...] = option((), "ports of what else runs on the hosts: web servers, tunnels, monitoring")
    closed: tuple[str, ...] = option(
        (),
        "what else listens on a host and may be closed: '111/tcp', '40000-40010/udp', or a program by name; whatever "
        "listens and is neither open nor named here keeps a first deploy from closing it unasked",
    )
    trusted: tuple[str, ...] = option(
        (), "interfaces whose traffic is let in unfiltered: tunnels (wg0), bridges of containers (docker0, br-*)"
    )

    ssh_port: int = derived(22)
    ports: tuple[Port, ...] = derived(())  # of this host
    peers: Mapping[str, tuple[str, ...]] = derived({})  # role -> cluster addresses of its hosts; '' -> all hosts
    lasting: tuple[str, ...] = derived(())  # how the units begin that outlive a change of their ports
    relays: Relays = derived(Relays())
    config_root: str = derived("")

    table = TABLE  # for templates

    @property
    def filters(self) -> bool:
        """Whether what comes in is filtered."""
        return self.mode == "site"

    @property
    def main(self) -> str:
        """The confirmed rules, loaded at boot."""
        return f"{self.config_root}/firewall/main.nft"

    @property
    def fallback(self) -> str:
        """The minimum that is loaded when the confirmed rules cannot be."""
        return f"{self.config_root}/firewall/fallback.nft"

    def ports_of_own(self) -> Iterator[Port]:
        yield Port(
            "firewall",
            "ssh",
            Proto.TCP,
            PortRange(self.ssh_port, self.ssh_port),
            Reach.ADMIN,
            "SSH",
            "hosts.*.ssh.port",
        )

    def clashes(self, ports: Iterable[Port], host: str) -> Iterator[Problem]:
        """Openings of ports that are the site's own: the registry alone says who may reach those."""
        ours = tuple(ports)
        for i, opening in enumerate(self.open):
            taken = (p for p in ours if opening.covers(p.proto, p.range))
            if port := next(taken, None):
                fact = f"{opening} has {port} of {host} in it, and who reaches that is settled ({port.reach})"
                yield Problem(f"firewall.open[{i}]", fact, f"leave it out, or {port.moved}")

    def problems(self, path: str) -> Iterator[Problem]:
        yield from self._overlaps(path)
        for i, entry in enumerate(self.closed):
            if said := closed_problem(entry):
                remedy = "write a port such as '111/tcp', or the name of a program"
                yield Problem(f"{path}.closed[{i}]", said, remedy)
            elif (named := ports_of(entry)) and (kept := self._opened(*named)):
                fact = f"{entry} and firewall.open[{kept[0]}] ({kept[1]}) say the opposite of the same port"
                yield Problem(f"{path}.closed[{i}]", fact, "take it out of one of them")
        for i, interface in enumerate(self.trusted):
            if said := interface_problem(interface):
                yield Problem(f"{path}.trusted[{i}]", said, "write a name such as wg0, or br-* for all that begin so")
        if not self.admin:
            yield Problem(f"{path}.admin", "is empty", "name the networks you administer from, or nobody gets in")
        if self.confirm < 10:
            yield Problem(f"{path}.confirm", f"is {self.confirm} s", "give a new connection at least 10 s")

    def _opened(self, proto: str, ports: PortRange) -> tuple[int, Opening] | None:
        return next(((i, each) for i, each in enumerate(self.open) if each.covers(proto, ports)), None)

    def _overlaps(self, path: str) -> Iterator[Problem]:
        """Openings of the same port of which one makes the other say nothing, as whoever wrote it did not mean."""
        for (i, one), (j, other) in combinations(enumerate(self.open), 2):
            if not one.covers(other.proto, other.port):
                continue
            if one.to_all or other.to_all:
                wide = i if one.to_all else j
                fact = f"{other} overlaps firewall.open[{i}] ({one}), and firewall.open[{wide}] lets everybody in"
                yield Problem(f"{path}.open[{j}]", fact, "keep one of them, or name networks in both")
