"""Preflight: all findings of all hosts together, before anything is changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import Any

from pyinfra import context

from livekit_metal.roles.preflight.checks import findings
from livekit_metal.roles.preflight.queries import probes
from livekit_metal.roles.preflight.secrets import serial
from livekit_metal.roles.preflight.settings import Settings
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run.parallel import in_parallel
from livekit_metal.runtime.run.task import Plan, Task
from livekit_metal.vault.vault import Vault


def prepare(
    settings: Settings,
    vault: Vault | None = None,
    *,
    older_secrets: bool = False,
    others: Sequence[tuple[Any, Any]] = (),
) -> None:
    """Refuse hosts that cannot carry what the site wants. As one stage: pyinfra stops after it when any host failed.

    ``older_secrets``: take those of ``vault`` although hosts have newer ones; from then on they count as the newest.
    ``others`` are other roles of the host, their settings and their module ``preflight``: what they need of it.
    """
    settings = dataclasses.replace(settings, older_secrets=older_secrets)
    asked = (*probes(settings), *(probe for own, role in others for probe in role.probes(own)))
    needs = StateQuery(units=frozenset({"firewalld.service", "nftables.service"}), queries=asked)
    in_parallel(Task("preflight", needs, partial(_plan, settings, vault, others)), "Preflight")


def _plan(settings: Settings, vault: Vault | None, others: Sequence[tuple[Any, Any]], seen: HostState) -> Plan:
    state = context.ctx_state.get()
    in_run = {host.name for host in state.inventory if state.is_host_in_limit(host)}
    found = [
        *findings(settings, seen, in_run),
        *(f for own, role in others for f in role.findings(own, settings, seen)),
    ]
    if stopping := [str(f.problem) for f in found if f.stops]:
        raise HostError("\n".join(stopping))
    if vault and settings.older_secrets:
        vault.supersede(serial(seen))
    return Plan(notes=tuple(str(f.problem) for f in found))
