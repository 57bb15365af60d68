"""A host's way through its own upgrades: what is planned, in which order, and where it stops."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest
from pyinfra.context import ctx_host

from livekit_metal.core.check_result import CheckResult, failed
from livekit_metal.core.switches import Switches
from livekit_metal.patching import tasks as module
from livekit_metal.patching.due import Asked
from livekit_metal.patching.tasks import WHY, Patching
from livekit_metal.runtime.host.commands import run
from livekit_metal.runtime.host.state import StateQuery
from livekit_metal.runtime.run.rolling import one_by_one
from livekit_metal.runtime.run.task import Action, Plan, Task
from tests.roles.conftest import FakeRun

Run = Callable[..., FakeRun]
MARKER = "/etc/x/maintenance"
HOSTS = ("lk1", "lk2", "lk3")
WELL = CheckResult(check="slot", vantage="lk1", about="lk1")


class Machine:
    """A host that remembers what was done to it."""

    def __init__(self, *, due: Sequence[str] = (), reboot: Sequence[str] = (), marker: str = "") -> None:
        self.due, self.reboot, self.marker = list(due), list(reboot), marker
        self.wants_reboot: list[str] = []  # once the updates are there
        self.did: list[str] = []

    def answer(self, command: str) -> str:
        if "sh -s" in command:
            due = "\n".join(f"due {name} 2" for name in self.due)
            parts = {"maintenance": self.marker, "patch.due": due, "patch.reboot": "\n".join(self.reboot)}
            lines = [line for name, text in parts.items() for line in (f"#probe {name}", *text.splitlines())]
            return "\n".join([*lines, "#end"])
        if " upgrade " in command:
            self.did.append("upgrade")
            self.due, self.reboot = [], [*self.reboot, *self.wants_reboot]
        elif "lkm-new" in command:
            self.did.append("mark")
            self.marker = json.dumps({"who": "ada@desk", "since": "noon", "why": WHY})
        elif f"{MARKER}" in command and "rm -f" in command:
            self.did.append("end")
            self.marker = ""
        elif command.endswith(" 60 activate"):
            self.did.append("activate")
        return ""


@pytest.fixture
def rebooted(monkeypatch: pytest.MonkeyPatch, machines: dict[str, Machine]) -> None:
    def reboot(host: object) -> str:
        at = machines[host.name]  # type: ignore[attr-defined]
        at.did.append("reboot")
        at.reboot = []
        return "rebooted, away for 3 s"

    monkeypatch.setattr(module, "reboot", reboot)


@pytest.fixture
def machines() -> dict[str, Machine]:
    return {name: Machine() for name in HOSTS}


@pytest.fixture
def patch(
    fake_run: Run, machines: dict[str, Machine], rebooted: None, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., FakeRun]:
    """Run it on the machines. ``rows`` are the doctor's afterwards, ``call`` why no call gets through."""
    monkeypatch.setattr(module, "_SETTLES", 0.0)

    def go(
        *,
        rows: Sequence[CheckResult] = (WELL,),
        call: str = "",
        only: Sequence[str] = HOSTS,
        partners: bool = True,
        **words: object,
    ) -> FakeRun:
        asked = Asked.of(Switches(**words))  # type: ignore[arg-type]

        def act(host: object) -> None:
            run(host, "activate")  # type: ignore[arg-type]

        def declare() -> None:
            one = Patching(ctx_host.get().name, MARKER, asked)
            back = Task("livekit", StateQuery(), lambda _: Plan((Action("activate", act),)))
            one_by_one(
                "Patch",
                one.consent(nobody_else=not partners),
                one.mark(),
                one.empty([]),
                one.upgrade(),
                one.restart(),
                one.only(back, begun=True),
                one.finish(lambda _: rows, lambda _: call),
                marker=MARKER,
                ours=WHY,
            )

        return fake_run(declare, only, lambda host, command: machines[host].answer(command))

    return go


WHOLE = ["mark", "upgrade", "activate", "end"]


def test_a_host_goes_through_it_and_then_the_next(patch: Callable[..., FakeRun], machines: dict[str, Machine]) -> None:
    for machine in machines.values():
        machine.due = ["libssl3"]
    done = patch()
    assert {name: machine.did for name, machine in machines.items()} == dict.fromkeys(HOSTS, WHOLE)
    assert {result.word for result in done.results.values()} == {"done"}
    assert done.results["lk1"].summaries[:1] == ["patch 1 packages updated"]


def test_a_host_with_nothing_due_is_not_touched(patch: Callable[..., FakeRun], machines: dict[str, Machine]) -> None:
    done = patch()
    assert [machine.did for machine in machines.values()] == [[], [], []]
    assert {result.word for result in done.results.values()} == {"unchanged"}


def test_it_reboots_where_the_updates_ask_for_it(patch: Callable[..., FakeRun], machines: dict[str, Machine]) -> None:
    machines["lk1"].due = machines["lk2"].due = ["linux-image-amd64"]
    machines["lk1"].wants_reboot = ["kernel 6.1.0-99 is installed"]
    done = patch()
    assert machines["lk1"].did == ["mark", "upgrade", "reboot", "activate", "end"]
    assert machines["lk2"].did == WHOLE
    assert "patch: rebooted, away for 3 s" in done.results["lk1"].notes


def test_a_reboot_may_be_all_there_is_to_do(patch: Callable[..., FakeRun], machines: dict[str, Machine]) -> None:
    machines["lk2"].reboot = ["libraries were replaced under sshd"]
    patch()
    assert [machine.did for machine in machines.values()] == [[], ["mark", "reboot", "activate", "end"], []]


def test_a_reboot_may_be_forbidden_and_asked_for(patch: Callable[..., FakeRun], machines: dict[str, Machine]) -> None:
    machines["lk1"].reboot = ["libraries were replaced under sshd"]
    patch(reboot="never")
    assert machines["lk1"].did == []
    patch(reboot="always")
    assert [machine.did for machine in machines.values()] == [["mark", "reboot", "activate", "end"]] * 3, "and once"


def test_it_stops_at_the_first_host_that_is_not_well_afterwards(
    patch: Callable[..., FakeRun], machines: dict[str, Machine]
) -> None:
    for machine in machines.values():
        machine.due = ["libssl3"]
    done = patch(rows=[failed("slot", "lk1", "lk1", "new sessions go to no slot of this host", "deploy")])
    assert machines["lk1"].did == ["mark", "upgrade", "activate"], "it stays out of service"
    assert machines["lk2"].did == []
    assert "not well after its upgrades: slot lk1: new sessions go to no slot" in done.results["lk1"].why


def test_what_the_doctor_says_of_others_does_not_stop_it(
    patch: Callable[..., FakeRun], machines: dict[str, Machine]
) -> None:
    machines["lk1"].due = ["libssl3"]
    assert not patch(rows=[failed("peer", "lk9", "lk1", "lk9 does not answer", "look")], only=["lk1"]).failed


def test_a_call_that_does_not_get_through_stops_it(patch: Callable[..., FakeRun], machines: dict[str, Machine]) -> None:
    machines["lk1"].due = ["libssl3"]
    assert "no call gets through it after its upgrades: no slot serves" in patch(call="-").results["lk1"].why
    assert machines["lk1"].did[-1] != "end"


def test_a_run_that_was_cut_short_is_finished_by_the_next(
    patch: Callable[..., FakeRun], machines: dict[str, Machine]
) -> None:
    """After its updates, before it was back in service."""
    machines["lk2"].marker = json.dumps({"why": WHY})
    patch()
    assert [machine.did for machine in machines.values()] == [[], ["activate", "end"], []]


def test_a_host_in_maintenance_for_another_reason_is_left_alone(
    patch: Callable[..., FakeRun], machines: dict[str, Machine]
) -> None:
    machines["lk2"].due, machines["lk2"].marker = (
        ["libssl3"],
        json.dumps({"why": "power", "who": "ada", "since": "noon"}),
    )
    done = patch()
    assert machines["lk2"].did == []
    assert done.results["lk2"].why.startswith("in maintenance since noon (ada: power)")


def test_a_host_alone_says_what_it_costs_and_asks(patch: Callable[..., FakeRun], machines: dict[str, Machine]) -> None:
    machines["lk1"].due = ["libssl3", "openssl"]
    said = patch(only=["lk1"], partners=False).results["lk1"].why
    assert machines["lk1"].did == []
    assert said == (
        "turn: 2 packages are due (libssl3, openssl), and no other host serves: from its drain until it is back, and "
        "perhaps a reboot in between, nobody can begin a call, and those who talk have 1h to end; say so with "
        "--data alone=yes, at an hour when that is no harm"
    )
    patch(only=["lk1"], partners=False, alone=True)
    assert machines["lk1"].did == WHOLE
