"""Fresh lists of packages, and fresh looks."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from pyinfra import context
from pyinfra.api import FunctionCommand, operation
from pyinfra.api.host import Host

from livekit_metal.patching.due import APT
from livekit_metal.runtime.host.commands import HostError, run
from livekit_metal.runtime.host.state import HostState, Observer, StateQuery
from livekit_metal.runtime.run.parallel import refuse


@operation()
def _refresh() -> Generator[Any, None, None]:
    host = context.ctx_host.get()
    if context.ctx_state.get().is_executing:
        try:
            run(host, APT, "refresh", timeout=600)
        except HostError as error:
            yield FunctionCommand(refuse, ("patch", f"the lists of packages cannot be fetched: {error}"), {})
            return
    host.noop("the lists of packages are fresh")


def refresh() -> None:
    """Register the fetching of the lists: it changes nothing that runs, and makes no host one that was changed."""
    _refresh(name="Lists of packages")


def looked(host: Host, needs: StateQuery) -> HostState:
    """A look that is taken now, and asks for ``needs`` alone.

    Questions of a deploy have the names of the doctor's where both ask about slots, and other answers.
    """
    one = Observer(host)
    one.need(needs)
    return one.current()
