"""What an operator asks of upgrades, and how long a host waits for those who are on it."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from pyinfra.api.exceptions import PyinfraError

from livekit_metal.core.switches import Switches
from livekit_metal.patching import tasks as module
from livekit_metal.patching.due import Asked
from livekit_metal.patching.tasks import Patching
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState

MARKER = "/etc/x/maintenance"


@pytest.mark.parametrize(("drop", "goes"), [(False, False), (True, True)])
def test_whoever_is_still_there_at_the_deadline_decides(
    monkeypatch: pytest.MonkeyPatch, drop: bool, goes: bool
) -> None:
    monkeypatch.setattr(module, "_occupied", lambda *_: "2 participants on slot a")
    said: list[str] = []
    host = SimpleNamespace(name="lk1", log=said.append)
    one = Patching("lk1", MARKER, Asked.of(Switches(within="0s", calls=drop)))
    (step,) = one.empty([SimpleNamespace()]).plan(seen(due=["due libssl3 2"])).actions  # type: ignore[list-item]
    if goes:
        step.run(host)  # type: ignore[arg-type]
        assert said[-1] == "patch: cut: 2 participants on slot a"
    else:
        with pytest.raises(HostError, match=r"2 participants on slot a: still there after 0s; .*calls=drop"):
            step.run(host)  # type: ignore[arg-type]


def test_it_waits_until_the_last_one_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    left = iter(["2 participants on slot a", "1 participants on slot a", ""])
    monkeypatch.setattr(module, "_occupied", lambda *_: next(left))
    monkeypatch.setattr(module, "_LOOKS", 0.0)
    said: list[str] = []
    one = Patching("lk1", MARKER, Asked.of(Switches()))
    (step,) = one.empty([SimpleNamespace()]).plan(seen(due=["due libssl3 2"])).actions  # type: ignore[list-item]
    step.run(SimpleNamespace(name="lk1", log=said.append))  # type: ignore[arg-type]
    assert said == ["patch: 2 participants on slot a", "patch: 1 participants on slot a"]


def test_what_is_held_back_is_said() -> None:
    one = Patching("lk1", MARKER, Asked.of(Switches()))
    assert one.consent(nobody_else=False).plan(seen(due=["held haproxy"])).notes == (
        "haproxy held back (apt-mark showhold)",
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"updates": "some"}, "--data updates: is 'some'; choose one of security, all"),
        ({"reboot": "no"}, "--data reboot: is 'no'; choose one of needed, always, never"),
        ({"within": "soon"}, "--data within: is 'soon'; write seconds (300) or a length of time"),
    ],
)
def test_words_that_mean_nothing_are_refused(words: dict[str, str], expected: str) -> None:
    with pytest.raises(PyinfraError) as caught:
        Asked.of(Switches(**words))  # type: ignore[arg-type]
    assert str(caught.value).startswith(expected)


def seen(*, due: Sequence[str] = (), reboot: Sequence[str] = ()) -> HostState:
    return HostState(answers={"patch.due": list(due), "patch.reboot": list(reboot), "maintenance": []})
