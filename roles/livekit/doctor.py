"""Whether webhooks get to where they go (on request: an event), a changing address holds, UDP 443 leads to a slot."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from livekit_metal.core import shell
from livekit_metal.core.check_result import CheckResult, Result, failed
from livekit_metal.core.switches import Switches
from livekit_metal.roles.livekit import webhooks
from livekit_metal.roles.livekit.redirect import Redirect
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.roles.livekit.turn import REDIRECT_UNIT
from livekit_metal.runtime.discovery import addresses
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.site.model import HostStack

_ASK = shell.program(__file__, "trust", "webhooks")
_REMEDIES = {
    "6": "correct livekit.webhooks, or the host's DNS",
    "60": webhooks.TRUST,
}


def needs(livekit: Settings) -> StateQuery:
    """What to look at on a host."""
    asked = []
    if livekit.webhooks:
        asked.append(("doctor.webhooks", shell.given(_ASK, livekit.unit.format("*"), *livekit.webhooks)))
    if livekit.stun:
        asked.append(("doctor.outside", addresses.question(livekit.media_address, livekit.stun)))
    redirect = Redirect.of(livekit).needs if livekit.turn.udp_443 else StateQuery()
    return redirect | StateQuery(queries=tuple(asked))


def requested(livekit: Settings, given: Switches) -> StateQuery:
    """What is done only when a switch asks for it."""
    return webhooks.sending(livekit, time.time()) if given.webhooks else StateQuery()


def checks(stack: HostStack, settings: Settings, seen: HostState) -> Iterator[CheckResult]:
    """The rows of one host."""
    yield from _outside(stack, settings, seen)
    yield from _udp_443(stack, settings, seen)
    yield from _webhooks(stack, settings, seen)


def _udp_443(stack: HostStack, settings: Settings, seen: HostState) -> Iterator[CheckResult]:
    """Whether it gets through from elsewhere a call tells: row turn-udp-443."""
    if not settings.turn.udp_443:
        return
    redirect = Redirect.of(settings)
    if redirect.follows(seen):
        said = "leads to the active slot; connection tracking has none of it"
        yield CheckResult(check="udp-443", about=stack.host, vantage=stack.host, said=said)
    else:
        fact = f"UDP 443 does not lead to the active slot (nft list table inet {redirect.table})"
        remedy = f"systemctl restart {REDIRECT_UNIT}, or deploy: the rules are made again; see who removed them"
        yield failed("udp-443", stack.host, stack.host, fact, remedy)


def _webhooks(stack: HostStack, settings: Settings, seen: HostState) -> Iterator[CheckResult]:
    """A row for each URL: livekit-server tries again and tells only its log."""
    said = dict(line.split(" ", 1) for line in seen.answers.get("doctor.webhooks", ()))
    for url in settings.webhooks:
        code, _, rest = said.get(url, "").partition(" ")
        status, _, why = rest.partition(" ")
        if code == "0":
            words = f"{url} answers (HTTP {status})"
            yield CheckResult(check="webhook", about=stack.host, vantage=stack.host, said=words)
            continue
        fact = f"no webhook gets from here to {url}: {why or 'nothing came'}"
        remedy = _REMEDIES.get(code, "see that it runs, and the firewalls and routes between it and the host")
        yield failed("webhook", stack.host, stack.host, fact, remedy)
    yield from webhooks.answers(settings, stack.host, seen)


def _outside(stack: HostStack, settings: Settings, seen: HostState) -> Iterator[CheckResult]:
    """Whether the host still has the address that clients are told."""
    if not settings.stun:
        return
    found = set(addresses.seen_by(seen.answers.get("doctor.outside", ())).values())
    row = partial(CheckResult, check="public", about=stack.host, vantage=stack.host)
    told = settings.node_ip.split(",")
    if not found:
        said, remedy = f"no server tells it: {', '.join(settings.stun)}", f"see hosts.{stack.host}.stun, and routes"
        yield row(result=Result.UNKNOWN, said=said, remedy=remedy)
    elif found.issubset(told):
        yield row(said=f"still {', '.join(sorted(found))}")
    else:
        fact = f"the address outside is {', '.join(sorted(found))} now, and clients are told {settings.node_ip}"
        remedy = "deploy: calls go on, and new ones are told the new address"
        yield failed("public", stack.host, stack.host, fact, remedy)
