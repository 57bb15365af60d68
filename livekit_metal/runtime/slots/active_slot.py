"""Which slot gets new sessions: one file is the truth, and HAProxy's map follows it without a reload.

HAProxy's configuration has, per component and slot, a backend ``component_slot`` whose server ``local`` is the slot.
Everything here may be repeated without harm.
"""

from __future__ import annotations

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.core.slots.active import TALK, Active
from livekit_metal.runtime.host.commands import run

FUNCTIONS = TALK + shell.program(__file__, "active-slot")
FLIP, CLOSE = "flip", "write"  # programs of one word: functions there
_FLIP, _FOLLOW, _QUESTION = (shell.program(__file__, name) for name in ("flip", "follow", "question"))


def flip(host: Host, active: Active, component: str, slot: str) -> None:
    """Send new sessions of ``component`` to ``slot``; the other components' lines stay. Raises HostError."""
    run(host, FUNCTIONS + _FLIP, active.file, active.socket, component, slot)


def follow(host: Host, active: Active) -> None:
    """Make the running HAProxy's map equal to the file: what a deploy killed in the middle of a flip leaves to do."""
    run(host, FUNCTIONS + _FOLLOW, active.file, active.socket)


def question(active: Active, *commands: str) -> str:
    """Shell text for a look: HAProxy's answers to ``commands``; nothing when it does not run."""
    asked = shell.given(TALK + _QUESTION, active.socket, ";".join(commands))
    return f"(\n{asked})"
