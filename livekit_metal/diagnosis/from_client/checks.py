"""Everything that can be checked as a client, from where this runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import pairwise

from livekit_metal.call.join_info import Announced
from livekit_metal.call.server import trust
from livekit_metal.core.check_result import BAD, CheckResult
from livekit_metal.diagnosis.from_client import calls, network, signalling
from livekit_metal.diagnosis.from_client.ipv6 import ipv6
from livekit_metal.diagnosis.from_client.relays import relays
from livekit_metal.diagnosis.subject import Subject


async def examine(case: Subject) -> list[CheckResult]:
    """The rows, in the order of the ground up."""
    trust(case.access)
    rows, wanted = network.present([await network.dns(case)]), dict(case.places)
    if any(row.result in BAD for row in rows):
        wanted.pop("", None)  # by the name nothing more can be told; hosts with a URL of their own are still there
    turns = calls.Turns()
    hosts = [through for through in wanted.values() if through]
    names = {host.address: name for name, host in case.access.hosts.items()}
    # all at once: most of it is waiting, for a second of sound or for a port that does not answer
    found = await asyncio.gather(
        _places(case, wanted, turns),
        asyncio.gather(*(calls.across(case, *pair, turns) for pair in _ring(hosts))),
        asyncio.gather(*(network.closed(case, names.get(at, ""), at) for at in case.closed)),
    )
    return [*rows, *(row for part in found for row in part)]


async def _places(case: Subject, wanted: Mapping[str, str | None], turns: calls.Turns) -> list[CheckResult]:
    """What there is to say of every place, and then of what clients are told in all of them."""
    places = await asyncio.gather(*(_place(case, about, through, turns) for about, through in wanted.items()))
    told = {about: one for about, (_, one) in zip(wanted, places, strict=True) if one}
    return [*(row for rows, _ in places for row in rows), *await ipv6(case, told)]


async def _place(
    case: Subject, about: str, through: str | None, turns: calls.Turns
) -> tuple[list[CheckResult], Announced | None]:
    """The rows, and what clients are told there."""
    rows: list[CheckResult] = []
    if through or not about:  # else it is reached by the site's URL, which has rows of its own
        url = case.access.through(through)
        rows = network.present([await network.certificate(case, about, url)])
        if any(row.result in BAD for row in rows):
            return rows, None
        rows += await signalling.answers(case, about, url)
        rows += network.present([await network.segment(case, about, url)])
        rows.append(await signalling.refuses(case, about, through))
    row, told = await signalling.joins(case, about, through)
    rows.append(row)
    if told and (about or told.node.id not in case.nodes.values()):  # else the host that it is on is tried by itself
        rows += await relays(case, about, told)
        rows += await calls.all_paths(case, about, through, told, turns)
    return rows, told


def _ring(hosts: list[str]) -> list[tuple[str, str]]:
    """Each host with the next: every one publishes and subscribes."""
    return list(pairwise(hosts)) + ([(hosts[-1], hosts[0])] if len(hosts) > 1 else [])
