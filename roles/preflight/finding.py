"""A finding, and what findings are made with."""

from __future__ import annotations

from dataclasses import dataclass

from livekit_metal.core.errors import Problem
from livekit_metal.roles.preflight.settings import Settings
from livekit_metal.runtime.host.state import HostState

OURS = "inet livekit_metal"  # our nftables table


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem, or (``stops`` is False) something the operator should know."""

    problem: Problem
    stops: bool = True


def one(seen: HostState, name: str) -> str:
    return "".join(seen.answers[f"preflight.{name}"][:1])


def finding(settings: Settings, what: str, fact: str, remedy: str, *, stops: bool = True) -> Finding:
    return Finding(Problem(f"{settings.host}: {what}", fact, remedy), stops)


def no_hairpin(settings: Settings) -> str:
    """The fact, where NAT does not bring back what the host sends to its own public address."""
    where = f"its public address {settings.hairpin}"
    return f"what {settings.host} sends to {where} does not come back (no hairpin NAT)"
