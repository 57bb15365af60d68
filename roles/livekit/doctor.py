"""Whether webhooks get from a host to where they go: name, connection, TLS; on request, with an event."""

from __future__ import annotations

import time
from collections.abc import Iterator

from livekit_metal.core import shell
from livekit_metal.core.check_result import CheckResult, failed
from livekit_metal.core.switches import Switches
from livekit_metal.roles.livekit import webhooks
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.site.model import HostStack

_ASK = shell.program(__file__, "trust", "webhooks")
_REMEDIES = {
    "6": "correct livekit.webhooks, or the host's DNS",
    "60": webhooks.TRUST,
}


def needs(livekit: Settings) -> StateQuery:
    """What to look at on a host."""
    if not livekit.webhooks:
        return StateQuery()
    return StateQuery(queries=(("doctor.webhooks", shell.given(_ASK, livekit.unit.format("*"), *livekit.webhooks)),))


def requested(livekit: Settings, given: Switches) -> StateQuery:
    """What is done only when a switch asks for it."""
    return webhooks.sending(livekit, time.time()) if given.webhooks else StateQuery()


def checks(stack: HostStack, settings: Settings, seen: HostState) -> Iterator[CheckResult]:
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
