"""The last words of a run: one table, printed whatever the outcome.

pyinfra prints its own results only when a run came to its end; this hangs on the disconnect, which every ending but
SIGKILL reaches.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click
from pyinfra import context
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.state import BaseStateCallback

from livekit_metal.core.errors import as_called_here
from livekit_metal.runtime.run.table import table
from livekit_metal.runtime.run.task import Result

if TYPE_CHECKING:
    from pyinfra.api.host import Host
    from pyinfra.api.state import State


@dataclass(slots=True)
class Results:
    """What became of every host of this run.

    ``stopped``: the hosts that are in their turn, or have failed in it: nobody else begins one while there are any.
    """

    hosts: dict[str, Result] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    turns: dict[str, list[str]] = field(default_factory=dict)  # host -> the turns it has to take, in order
    taken: set[tuple[str, str]] = field(default_factory=set)  # (turn, host)
    finished: set[tuple[str, str]] = field(default_factory=set)
    stopped: dict[str, None] = field(default_factory=dict)
    serving: dict[str, Any] = field(default_factory=dict)  # host -> what it carries, where turns are taken in waves
    gates: dict[str, Any] = field(default_factory=dict)  # turn -> what lets hosts in

    def of(self, host: str) -> Result:
        return self.hosts.setdefault(host, Result())

    def join(self, turn: str, host: Host) -> None:
        """Give ``host`` its place in a turn, which is the inventory's."""
        self.of(host.name)
        self.turns.setdefault(host.name, []).append(turn)
        if host.name not in self.order:
            position = {h.name: i for i, h in enumerate(host.inventory)}
            self.order = sorted([*self.order, host.name], key=position.__getitem__)

    def keeps_order(self, turn: str, host: Host) -> None:
        """``host`` comes to a turn. Raises PyinfraError when the order of the inventory is not kept."""
        self.taken.add((turn, host.name))
        earlier = self.order[: self.order.index(host.name)]
        if late := [n for n in earlier if turn in self.turns[n] and (turn, n) not in self.taken]:
            raise PyinfraError(f"{host.name} came before {late[0]}: is config.py's host order in force?")

    def finish(self, turn: str, host: Host) -> None:
        """``host`` has taken its turn. Only the last one makes it done: half a deploy is none."""
        self.finished.add((turn, host.name))
        result = self.of(host.name)
        if result.resting:
            result.word, result.why = "untouched", result.resting
        elif missing := [t for t in self.turns[host.name] if (t, host.name) not in self.finished]:
            result.word, result.why = "untouched", f"stopped before {' and '.join(missing)}"
        else:
            result.word, result.why = ("done" if result.changed else "unchanged"), ""


def results() -> Results:
    """The results of this run (all hosts share them)."""
    state = context.ctx_state.get()
    found: Results = state.__dict__.setdefault("livekit_metal_results", Results())
    return found


class Report(BaseStateCallback):
    """Prints the table once, when the first host disconnects."""

    printed = False

    def host_disconnect(self, state: State, host: Host) -> None:  # type: ignore[override]
        found: Results | None = state.__dict__.get("livekit_metal_results")
        if self.printed or found is None or not state.is_executing:
            return
        self.printed = True
        for line in table(found.hosts, found.order, tuple(found.stopped)):
            click.echo(as_called_here(line), err=True)


def install() -> None:
    """Have the table printed at the end of this run."""
    state = context.ctx_state.get()
    if not any(isinstance(handler, Report) for handler in state.callback_handlers):
        state.add_callback_handler(Report())
