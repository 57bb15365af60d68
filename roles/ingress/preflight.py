"""What is wrong with a host for ingress. Pure; every finding reads ``path: fact; remedy``."""

from __future__ import annotations

from collections.abc import Iterator

from livekit_metal.core.errors import Problem
from livekit_metal.roles.ingress.settings import CpuCost, Settings
from livekit_metal.roles.preflight.finding import Finding, no_hairpin, one
from livekit_metal.roles.preflight.settings import Settings as Preflight
from livekit_metal.runtime.host import hidepid
from livekit_metal.runtime.host.state import HostState


def probes(_: Settings) -> tuple[tuple[str, str], ...]:
    """What preflight asks of a host besides."""
    return (("preflight.hidepid", hidepid.LOOK),)


def findings(own: Settings, preflight: Preflight, seen: HostState) -> Iterator[Finding]:
    """What its answers say."""
    host, cores = preflight.host, int(one(seen, "cores") or 0)
    for kind, kept in (("rtmp", 0.5), ("whip", 0.5), ("url", 1.0)):  # RTMP and WHIP may use half of what is kept
        yield from _cost(own.cpu_cost, kind, kept * own.cpu_cost.min_idle, host, cores)
    if own.process_list == "refuse" and seen.answers["preflight.hidepid"] != ["hidden"]:
        fact = (
            f"{host} shows every account the arguments of all processes, and ingress 1.5.0 puts API secret, Redis "
            "password and stream keys into those of a stream"
        )
        remedy = "set it to 'hide' (mounts /proc with hidepid=2), or to 'accept' where only you have an account"
        yield Finding(Problem("ingress.process_list", fact, remedy))
    ports = min(len(own.part("media", slot)) for slot in own.slots)
    if 1 < ports < cores:
        fact = f"has {ports} ports per slot and {host} {cores} cores"
        remedy = "one port for each slot does; more are used up to one for each core"
        yield Finding(Problem("ingress.media_udp", fact, remedy), stops=False)
    if one(seen, "hairpin") == "lost":
        fact = f"{no_hairpin(preflight)}, and streams reach livekit-server there"
        yield Finding(Problem(f"{host}: ingress", fact, "allow hairpin NAT, or give ingress hosts of its own"))


def _cost(costs: CpuCost, kind: str, kept: float, host: str, cores: int) -> Iterator[Finding]:
    """``kept``: the share of a host's cores that must stay idle besides a stream of this kind."""
    path, cost = f"ingress.cpu_cost.{kind}", costs.cost(kind)
    room = cores * (1 - kept)  # pkg/stats/monitor.go: idle - kept * cores > cost
    if getattr(costs, kind) is None and cores < costs.cores:
        fact = f"is not set, and {host} has {cores} cores: of the recommended {cost:g} for a stream"
        fact += " it could never admit one" if cost >= room else " it admits one while nothing else runs"
        remedy = f"say what your streams need here (less than {room:g}), or give {host} {costs.cores} cores"
        yield Finding(Problem(path, fact, remedy))
    elif cost >= room:
        fact = f"is {cost:g}, and {host} has {cores} cores, of which {kept:.0%} are kept free"
        remedy = f"set it below {room:g}, or take a host with more cores"
        yield Finding(Problem(path, f"{fact}: it would never admit a stream", remedy))
