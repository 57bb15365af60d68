"""What is wrong with a host for ingress. Pure; every finding reads ``path: fact; remedy``."""

from __future__ import annotations

from collections.abc import Iterator

from livekit_metal.core.errors import Problem
from livekit_metal.roles.preflight.finding import no_hairpin
from livekit_metal.roles.preflight.settings import Settings
from livekit_metal.runtime.host.state import HostState


def streams(settings: Settings, cores: int, seen: HostState) -> Iterator[tuple[bool, Problem]]:
    """(Whether it stops the run, what is wrong)."""
    if not (wanted := settings.streams):
        return
    host = settings.host
    for cost in wanted.costs:
        room = cores * (1 - cost.kept)  # pkg/stats/monitor.go: idle - kept * cores > cost
        if not cost.said and cores < wanted.cores:
            fact = f"is not set, and {host} has {cores} cores: of the recommended {cost.cores:g} for a stream"
            fact += " it could never admit one" if cost.cores >= room else " it admits one while nothing else runs"
            yield (
                True,
                Problem(
                    cost.path,
                    fact,
                    f"say what your streams need here (less than {room:g}), or give {host} {wanted.cores} cores",
                ),
            )
        elif cost.cores >= room:
            fact = f"is {cost.cores:g}, and {host} has {cores} cores, of which {cost.kept:.0%} are kept free"
            yield (
                True,
                Problem(
                    cost.path,
                    f"{fact}: it would never admit a stream",
                    f"set it below {room:g}, or take a host with more cores",
                ),
            )
    if wanted.refuse_shown_arguments and seen.answers["preflight.hidepid"] != ["hidden"]:
        fact = (
            f"{host} shows every account the arguments of all processes, and ingress 1.5.0 puts API secret, Redis "
            "password and stream keys into those of a stream"
        )
        remedy = "set it to 'hide' (mounts /proc with hidepid=2), or to 'accept' where only you have an account"
        yield True, Problem("ingress.process_list", fact, remedy)
    if wanted.media_ports_per_slot < cores and wanted.media_ports_per_slot > 1:
        fact = f"has {wanted.media_ports_per_slot} ports per slot and {host} {cores} cores"
        yield (
            False,
            Problem("ingress.media_udp", fact, "one port for each slot does; more are used up to one for each core"),
        )
    if "".join(seen.answers["preflight.hairpin"][:1]) == "lost":
        fact = f"{no_hairpin(settings)}, and"
        fact += " streams reach livekit-server there"
        yield True, Problem(f"{host}: ingress", fact, "allow hairpin NAT, or give ingress hosts of its own")
