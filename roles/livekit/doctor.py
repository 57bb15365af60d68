"""Whether webhooks get from a host to where they go (name, connection, TLS), and an address that changes holds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from livekit_metal.core import shell
from livekit_metal.core.check_result import CheckResult, Result, failed
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.runtime.discovery import addresses
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.site.model import HostStack

_ASK = shell.program(__file__, "webhooks")
_REMEDIES = {
    "6": "correct livekit.webhooks, or the host's DNS",
    "60": "have its certificate signed by a CA that the host trusts (/usr/local/share/ca-certificates and "
    "update-ca-certificates), and for that name",
}


def needs(livekit: Settings) -> StateQuery:
    """What to look at on a host."""
    asked = [("doctor.webhooks", shell.given(_ASK, *livekit.webhooks))] if livekit.webhooks else []
    asked += [("doctor.outside", addresses.question(livekit.media_address, livekit.stun))] if livekit.stun else []
    return StateQuery(queries=tuple(asked))


def checks(stack: HostStack, settings: Settings, seen: HostState) -> Iterator[CheckResult]:
    """A row for each URL: livekit-server tries again and tells only its log. And one for the address."""
    yield from _outside(stack, settings, seen)
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
