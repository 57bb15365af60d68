"""Whether Kamailio answers, and sends calls to the slot that gets new ones. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from livekit_metal.core.check_result import CheckResult, failed
from livekit_metal.roles.kamailio.settings import UNIT, Settings
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.site.model import HostStack

_KAMAILIO = """{as_user} timeout 5 kamcmd -s unix:{socket} core.uptime >/dev/null && echo answers
sh {dispatch} check && echo follows"""


def needs(settings: Settings) -> StateQuery:
    """What to look at on its host."""
    asked = _KAMAILIO.format(as_user=settings.as_user, socket=settings.socket, dispatch=settings.dispatch)
    return StateQuery(queries=(("doctor.kamailio", asked),))


def checks(stack: HostStack, settings: Settings, seen: HostState) -> Iterator[CheckResult]:
    """One row."""
    said = seen.answers["doctor.kamailio"]
    if "answers" not in said:
        remedy = f"journalctl -u {UNIT}; then deploy"
        yield failed("kamailio", stack.host, stack.host, "Kamailio does not answer: no call comes in or out", remedy)
    elif "follows" not in said:
        fact = "Kamailio sends new calls to another slot than the active file says"
        yield failed("kamailio", stack.host, stack.host, fact, "deploy: it follows the file then")
    else:
        yield CheckResult(
            check="kamailio", about=stack.host, vantage=stack.host, said="answers, and follows the active file"
        )
