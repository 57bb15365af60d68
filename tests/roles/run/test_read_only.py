"""Runs that only read: every host once, and one that cannot be read is no reason not to show the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pyinfra.api.exceptions import PyinfraError
from pyinfra.context import ctx_state

from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState, StateQuery
from livekit_metal.runtime.run import read_only
from livekit_metal.runtime.run.read_only import Reading, Unreachable
from tests.roles.conftest import FakeRun


class Shown:
    """Stands for procedures.showing."""

    found: Mapping[str, Any] | None = None

    def show(self, run: object, found: Mapping[str, Any]) -> None:
        assert self.found is None, "once"
        self.found = found


def read_all(
    fake_run: Callable[..., FakeRun],
    of: Callable[[HostState], Any],
    answer: Callable[[str, str], str | None] | None = None,
    conclude: Callable[..., int] | None = None,
) -> tuple[Mapping[str, Any], int]:
    """Two hosts as procedures/status.py would read them: what was shown, and the exit status."""
    shown = Shown()
    reader = Reading(shown.show)
    runs: list[Any] = []

    def declare() -> None:
        state = ctx_state.get()
        if state not in runs:
            state.add_callback_handler(reader)
            runs.append(state)
        read_only.gather(StateQuery(queries=(("it", "true"),)), of, conclude)

    with pytest.raises(SystemExit) as ended:
        fake_run(declare, ("lk2", "lk1"), answer)
    for host in runs[0].inventory:
        reader.host_disconnect(runs[0], host)
    assert shown.found is not None
    assert isinstance(ended.value.code, int)
    return shown.found, ended.value.code


def test_every_host_is_read_once_and_then_the_run_ends(fake_run: Callable[..., FakeRun]) -> None:
    assert read_all(fake_run, lambda found: "read") == ({"lk2": "read", "lk1": "read"}, 0)


def test_what_concludes_sees_all_hosts_once_and_says_the_status(fake_run: Callable[..., FakeRun]) -> None:
    seen: list[dict[str, Any]] = []

    def conclude(_: Any, found: Mapping[str, Any]) -> int:
        seen.append(dict(found))
        return 7

    assert read_all(fake_run, lambda found: "read", conclude=conclude)[1] == 7
    assert seen == [{"lk2": "read", "lk1": "read"}]


def test_a_host_whose_look_fails_is_shown_as_such(fake_run: Callable[..., FakeRun]) -> None:
    def answer(host: str, command: str) -> str | None:
        return "#end" if host == "lk1" else "" if "sh -s" not in command else "#files"

    found, status = read_all(fake_run, lambda found: "read", answer)
    assert status == 1
    assert found["lk1"] == "read"
    assert "the host's answer is incomplete" in found["lk2"].why


def test_a_host_that_runs_no_command_is_told_from_one_whose_answer_is_odd(fake_run: Callable[..., FakeRun]) -> None:
    found, status = read_all(fake_run, lambda found: "read", lambda host, command: "#end" if host == "lk1" else None)
    assert status == 1
    assert found["lk2"] == Unreachable("hosts.lk2: no command runs there (it said nothing); try `ssh` by hand")


@pytest.mark.parametrize(("error", "why"), [(HostError("told"), "told"), (KeyError("x"), "KeyError: 'x'")])
def test_an_answer_that_makes_no_sense_is_that_hosts_alone(
    fake_run: Callable[..., FakeRun], error: Exception, why: str
) -> None:
    failing = [error]

    def of(found: HostState) -> str:
        if failing:
            raise failing.pop()
        return "read"

    assert read_all(fake_run, of) == ({"lk2": Unreachable(why), "lk1": "read"}, 1)


def test_together_with_another_deploy_file_it_is_refused(fake_run: Callable[..., FakeRun]) -> None:
    with pytest.raises(PyinfraError, match="run it alone"):
        fake_run(lambda: read_only.gather(StateQuery(), lambda found: None))
