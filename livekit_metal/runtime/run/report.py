"""The last words of a run: one table, printed whatever the outcome.

pyinfra prints its own results only when a run came to its end; this hangs on the disconnect, which every ending but
SIGKILL reaches.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click
from pyinfra import context
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.state import BaseStateCallback

from livekit_metal.core.errors import as_called_here
from livekit_metal.runtime.run.task import Result

if TYPE_CHECKING:
    from pyinfra.api.host import Host
    from pyinfra.api.state import State

_COLOURS = {"done": "green", "unchanged": "cyan", "failed": "red"}


@dataclass(slots=True)
class Results:
    """What became of every host of this run, and where the turns stopped (a host's name, or nowhere: '')."""

    hosts: dict[str, Result] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    turns: dict[str, list[str]] = field(default_factory=dict)  # host -> the turns it has to take, in order
    taken: set[tuple[str, str]] = field(default_factory=set)  # (turn, host)
    finished: set[tuple[str, str]] = field(default_factory=set)
    stopped_at: str = ""

    def of(self, host: str) -> Result:
        return self.hosts.setdefault(host, Result())

    def join(self, turn: str, host: Host) -> None:
        """Give ``host`` its place in a turn, which is the inventory's."""
        self.of(host.name)
        self.turns.setdefault(host.name, []).append(turn)
        if host.name not in self.order:
            position = {h.name: i for i, h in enumerate(host.inventory)}
            self.order = sorted([*self.order, host.name], key=position.__getitem__)

    def may_go(self, turn: str, host: Host) -> bool:
        """Whether ``host`` may take its turn. Raises PyinfraError when the order of the inventory is not kept."""
        self.taken.add((turn, host.name))
        earlier = self.order[: self.order.index(host.name)]
        if late := [n for n in earlier if (turn, n) not in self.taken]:
            raise PyinfraError(f"{host.name} came before {late[0]}: is config.py's host order in force?")
        return not self.stopped_at

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
        for line in table(found):
            click.echo(as_called_here(line), err=True)


def table(found: Results) -> list[str]:
    """The lines of the last table: a host and how it fared, a line for each thing that changed; then the notes."""
    width = max((len(n) for n in found.hosts), default=4)
    names = found.order or sorted(found.hosts)
    lines = ["", f"    {'host':{width}}  result"]
    for name in names:
        result = found.hosts[name]
        if result.word == "prepared":  # a run without turns ends here; in a deploy nothing was activated
            result.word, result.why = ("untouched", "prepared only") if found.order else ("done", "")
        word = click.style(f"{result.word:11}", fg=_COLOURS.get(result.word, "yellow"))
        took = f"{result.seconds:.1f} s" if result.seconds else ""
        said = "; ".join(filter(None, [result.why, took]))
        lines.append(f"    {name:{width}}  {word} {said}".rstrip())
        lines += [f"    {'':{width}}      {summary}" for summary in result.summaries]
    notes: dict[str, list[str]] = {}
    for name in names:
        for text in found.hosts[name].notes:
            notes.setdefault(text, []).append(name)
    lines += [f"    note ({', '.join(dict.fromkeys(hosts))}) {text}" for text, hosts in notes.items()]
    if found.stopped_at:
        lines.append(f"    stopped at {found.stopped_at}; mend it and run the same command again")
    return lines


def install() -> None:
    """Have the table printed at the end of this run."""
    state = context.ctx_state.get()
    if not any(isinstance(handler, Report) for handler in state.callback_handlers):
        state.add_callback_handler(Report())
