"""What a run of upgrades looks at when it judges a host as the doctor does."""

from __future__ import annotations

import shlex
from types import SimpleNamespace
from typing import Any

import pytest

from livekit_metal.diagnosis.on_host import checks
from livekit_metal.patching import lists
from livekit_metal.roles.livekit import occupancy
from livekit_metal.runtime.host import state
from livekit_metal.runtime.slots.components import components
from livekit_metal.site.model import Site


def test_the_question_about_slots_is_the_doctors(single: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deploy asks about drains alone, by the same name: a slot that serves would be no slot."""
    stack = single.for_host("lk1")
    scripts: list[str] = []

    def read(host: Any, command: str, stdin: str) -> str:
        scripts.append(stdin)
        return stdin.split("'", 2)[1] + "end"

    monkeypatch.setattr(state, "read", read)
    host: Any = SimpleNamespace(name="lk1", connector_data={})
    deploys = components(stack)["livekit"].question.probe
    assert deploys[0] == occupancy.question(stack.livekit).name
    lists.looked(host, checks.needs(stack))
    assert shlex.quote(deploys[1]) not in scripts[0]
    assert shlex.quote(dict(checks.needs(stack).queries)[deploys[0]]) in scripts[0]
