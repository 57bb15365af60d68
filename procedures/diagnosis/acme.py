"""Whether a host has the certificate that it is to get by ACME, and gets another in time. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from procedures.diagnosis.rows import Result, Row
from roles.acme import observed
from roles.acme.observed import Lies
from roles.acme.settings import UNIT

if TYPE_CHECKING:
    from roles._kit.look import Seen
    from stack.compose import Stack


def certificate(stack: Stack, seen: Seen) -> Iterator[Row]:
    """One row."""
    assert stack.acme is not None
    lies, row = Lies(seen), partial(Row, check="certificate", about=stack.host, vantage=stack.host)
    said = observed.words(stack.acme, seen)
    if lies.request != stack.acme.request or lies.left <= 0:
        why = " ".join(seen.probes["acme.why"])
        fact = f"{said} ({why})" if why else said
        yield row(result=Result.FAILED, said=fact, remedy=f"deploy; what the CA says: journalctl -u {UNIT}")
    elif lies.loaded not in ("", lies.fingerprint):
        fact = "HAProxy serves another certificate than the one there is"
        yield row(result=Result.FAILED, said=fact, remedy="deploy")
    elif warning := observed.warnings(seen):
        fact, _, remedy = warning[0].rpartition("; ")
        yield row(result=Result.NOTE, said=fact, remedy=remedy)
    else:
        yield row(said=said.removeprefix("the one that is served "))
