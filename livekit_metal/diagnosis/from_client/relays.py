"""TURN as clients are told of it: that it is what the site says, its certificate for its name, and where it leads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from livekit_metal.core.check_result import CheckResult, failed
from livekit_metal.diagnosis.from_client import leads, network
from livekit_metal.diagnosis.subject import Subject

if TYPE_CHECKING:
    from livekit_metal.call.join_info import Announced


async def relays(case: Subject, about: str, told: Announced) -> list[CheckResult]:
    """Rows for what is announced, where the site is known; for certificates of TURN over TLS; for where they lead."""
    rows = list(_announced(case, about, told))
    for host, port in over_tls(told):
        rows.append(await network.shown(case, "turn-cert", about, host, port))
    return [*rows, *network.present([await leads.relay(case, about, told)])]


def over_tls(told: Announced) -> Iterator[tuple[str, int]]:
    """Name and port of each server that clients are told of as ``turns:``."""
    for server in told.servers:
        if server.url.startswith("turns:"):
            host, _, port = server.url.removeprefix("turns:").partition("?")[0].rpartition(":")
            yield host, int(port)


def _announced(case: Subject, about: str, told: Announced) -> Iterator[CheckResult]:
    if about not in case.turn or told.node.id != case.nodes.get(about):  # else its edge has led to another host
        return
    wanted = {"turn:": "TURN over UDP"} | ({f"turns:{name}:": "TURN over TLS"} if (name := case.turn[about]) else {})
    lacks = [what for start, what in wanted.items() if not any(s.url.startswith(start) for s in told.servers)]
    if lacks:
        others = ", ".join(server.url for server in told.servers) or "none"
        fact = f"{told.node.id} does not tell clients of {' and '.join(lacks)} (it names {others})"
        yield failed("turn", about, case.here, fact, "deploy: it brings turn.* of the site")
    else:
        yield CheckResult(check="turn", about=about, vantage=case.here, said=", ".join(wanted.values()))
