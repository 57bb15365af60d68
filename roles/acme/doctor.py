"""Whether a host has the certificate that it is to get by ACME, and gets another in time. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from livekit_metal.core.check_result import CheckResult, Result
from livekit_metal.roles.acme import state
from livekit_metal.roles.acme.settings import UNIT, Settings
from livekit_metal.roles.acme.state import Lies
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.site.model import HostStack


def needs(settings: Settings) -> StateQuery:
    """What to look at on its host."""
    return state.needs(settings) if settings.wanted else StateQuery()


def checks(stack: HostStack, settings: Settings, seen: HostState) -> Iterator[CheckResult]:
    """One row, where the host is to have such a certificate."""
    if not settings.wanted:
        return
    lies, row = Lies(seen), partial(CheckResult, check="certificate", about=stack.host, vantage=stack.host)
    said = state.words(settings, seen)
    if lies.request != settings.request or lies.left <= 0:
        why = " ".join(seen.answers["acme.why"])
        fact = f"{said} ({why})" if why else said
        yield row(result=Result.FAILED, said=fact, remedy=f"deploy; what the CA says: journalctl -u {UNIT}")
    elif lies.loaded not in ("", lies.fingerprint):
        fact = "HAProxy serves another certificate than the one there is"
        yield row(result=Result.FAILED, said=fact, remedy="deploy")
    elif warning := state.warnings(seen):
        fact, _, remedy = warning[0].rpartition("; ")
        yield row(result=Result.NOTE, said=fact, remedy=remedy)
    else:
        yield row(said=said.removeprefix("the one that is served "))
