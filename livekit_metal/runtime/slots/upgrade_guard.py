"""Whether a version may follow those that still run on a host; releases/versions.toml has what speaks against it."""

from __future__ import annotations

from livekit_metal.core.slots.decision import State
from livekit_metal.releases import compatibility
from livekit_metal.runtime.generations.generation import Generation
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.slots.slotted_service import SlottedService


def allowed(
    program: str, daemon: SlottedService, wanted: Generation, seen: HostState, *, accept: bool
) -> tuple[str, ...]:
    """Notes about what was accepted. Raises HostError when ``wanted`` needs another version first; changes nothing.

    Slots that drain count as well as the active one: their clients are the ones who meet the new version.
    """
    if daemon.serving(seen) == wanted.name:
        return ()  # the jump is made: nothing is left to refuse
    records, (_, slots) = daemon.history.records(seen), daemon.observed(seen)
    accepted = []
    for name, slot in slots.items():
        if slot.state not in (State.RUNNING, State.DRAINING) or slot.generation not in records:
            continue
        problem = compatibility.version_skip(
            program, _version(records[slot.generation].release), _version(wanted.release)
        )
        if problem and not accept:
            raise HostError(
                f"slot {name}: {problem.fact}; {problem.remedy}, or accept it with --data version-skip=accept"
            )
        if problem:
            accepted.append(f"accepted on slot {name}: {problem.fact}")
    return tuple(accepted)


def _version(release: str) -> str:
    """From the directory of a release, which ends in VERSION-HASH."""
    return release.rsplit("/", 1)[-1].rpartition("-")[0]
