"""Preflight: all findings of all hosts together, before anything is changed."""

from __future__ import annotations

import dataclasses
from functools import partial

from pyinfra import context

from roles._kit.change import Failed
from roles._kit.look import Needs, Seen
from roles._kit.plan import Part, Todo
from roles._kit.stage import stage
from roles.preflight.findings import findings
from roles.preflight.probes import probes
from roles.preflight.secrets import serial
from roles.preflight.settings import Settings
from stack.vault import Vault


def prepare(settings: Settings, vault: Vault | None = None, *, older_secrets: bool = False) -> None:
    """Refuse hosts that cannot carry what the site wants. As one stage: pyinfra stops after it when any host failed.

    ``older_secrets``: take those of ``vault`` although hosts have newer ones; from then on they count as the newest.
    """
    settings = dataclasses.replace(settings, older_secrets=older_secrets)
    needs = Needs(units=frozenset({"firewalld.service", "nftables.service"}), probes=probes(settings))
    stage(Part("preflight", needs, partial(_plan, settings, vault)), "Preflight")


def _plan(settings: Settings, vault: Vault | None, seen: Seen) -> Todo:
    state = context.ctx_state.get()
    in_run = {host.name for host in state.inventory if state.is_host_in_limit(host)}
    found = list(findings(settings, seen, in_run))
    if stopping := [str(f.problem) for f in found if f.stops]:
        raise Failed("\n".join(stopping))
    if vault and settings.older_secrets:
        vault.supersede(serial(seen))
    return Todo(notes=tuple(str(f.problem) for f in found))
