"""Whether a host has the certificate that it is to get by ACME, and gets another in time. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from livekit_metal.diagnosis.rows import CheckResult, Result
from livekit_metal.roles.acme import state
from livekit_metal.roles.acme.settings import UNIT
from livekit_metal.roles.acme.state import Lies

if TYPE_CHECKING:
    from livekit_metal.runtime.host.state import HostState
    from livekit_metal.site.wiring.host_stack import HostStack


def certificate(stack: HostStack, seen: HostState) -> Iterator[CheckResult]:
    """One row."""
    assert stack.acme is not None
    lies, row = Lies(seen), partial(CheckResult, check="certificate", about=stack.host, vantage=stack.host)
    said = state.words(stack.acme, seen)
    if lies.request != stack.acme.request or lies.left <= 0:
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
