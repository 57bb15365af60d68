"""Preflight: all findings of all hosts together, before anything is changed."""

from __future__ import annotations

from functools import partial

from pyinfra import context

from roles._kit.change import Failed
from roles._kit.look import Needs, Seen
from roles._kit.plan import Part, Todo
from roles._kit.stage import stage
from roles.preflight.findings import findings
from roles.preflight.probes import probes
from roles.preflight.settings import Settings


def prepare(settings: Settings) -> None:
    """Refuse hosts that cannot carry what the site wants. As one stage: pyinfra stops after it when any host failed."""
    needs = Needs(units=frozenset({"firewalld.service", "nftables.service"}), probes=probes(settings))
    stage(Part("preflight", needs, partial(_plan, settings)), "Preflight")


def _plan(settings: Settings, seen: Seen) -> Todo:
    state = context.ctx_state.get()
    in_run = {host.name for host in state.inventory if state.is_host_in_limit(host)}
    found = list(findings(settings, seen, in_run))
    if stopping := [str(f.problem) for f in found if f.stops]:
        raise Failed("\n".join(stopping))
    return Todo(notes=tuple(str(f.problem) for f in found))
