"""What the firewall role plans from what it sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from livekit_metal.core.ports import PortRange
from livekit_metal.roles.firewall.rules import kept
from livekit_metal.roles.firewall.settings import ROLLBACK, UNIT, Settings
from livekit_metal.roles.firewall.state import PROBE, observed
from livekit_metal.roles.firewall.tasks import Prove, _boot_files, _main, activate
from livekit_metal.roles.firewall.way_in import NAME as WAY
from livekit_metal.runtime.host import ssh
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.rolling import one_by_one
from livekit_metal.runtime.run.task import Plan
from livekit_metal.site.model import Site
from tests.roles.conftest import FakeRun
from tests.roles.wanted import look, names

CHANGE = ["load the rules (they go after 60 s unless confirmed)", "log in again", "confirm the rules"]
BOOT = ["write fallback.nft, livekit-firewall.service", f"enable {UNIT}", f"start {UNIT}"]


@pytest.fixture
def firewall(cluster: Site) -> Settings:
    return cluster.for_host("lk1").firewall


def fresh(*said: str) -> HostState:
    return HostState(answers={PROBE: ["from 198.51.100.7", *said], WAY: ["dev eth0"]})


def host(settings: Settings, *more: str) -> HostState:
    """A host where the rules of ``settings`` are in force."""
    main, stamp = _main(settings)
    files = (main, *_boot_files(settings))
    return HostState(
        files={f.path: f.sha256 for f in files},
        stat={f.path: (f.mode, f.user, f.group) for f in files},
        units={
            UNIT: {"ActiveState": "active", "UnitFileState": "enabled"},
            f"{ROLLBACK}.timer": {"ActiveState": "inactive"},
        },
        answers={PROBE: ["from 198.51.100.7", f"stamp {stamp}", "intact", *more], WAY: ["dev eth0"]},
    )


def plan(settings: Settings, seen: HostState) -> Plan:
    return activate(settings).plan(seen)


def test_a_fresh_host_gets_all_of_it(firewall: Settings) -> None:
    todo = plan(firewall, fresh())
    assert names(todo) == [*CHANGE, *BOOT]
    assert todo.summary == f"rules (none) -> {_main(firewall)[1]}"


def test_a_host_as_wanted_is_left_alone(firewall: Settings) -> None:
    assert plan(firewall, host(firewall)) == Plan()


def test_another_rule_is_loaded_proved_and_confirmed(firewall: Settings) -> None:
    other = dataclasses.replace(firewall, log=False)
    assert names(plan(other, host(firewall))) == CHANGE


def test_other_administrators_are_in_the_fallback_too(firewall: Settings) -> None:
    other = dataclasses.replace(firewall, admin=("198.51.100.0/24",))
    assert names(plan(other, host(firewall))) == [*CHANGE, "write fallback.nft"]


def test_a_rule_added_by_hand_is_found(firewall: Settings) -> None:
    seen = host(firewall)
    seen.answers[PROBE].remove("intact")
    assert names(plan(firewall, seen)) == CHANGE


def test_rules_in_force_that_nobody_confirmed_are_not_trusted(firewall: Settings) -> None:
    """A deploy died between loading and confirming: in force, but not what a boot would load, a rollback armed."""
    unconfirmed = host(firewall)
    unconfirmed.files[firewall.main] = "0"
    unconfirmed.answers[PROBE].remove("intact")
    assert names(plan(firewall, unconfirmed)) == CHANGE
    armed = host(firewall)
    armed.units[f"{ROLLBACK}.timer"]["ActiveState"] = "active"
    assert names(plan(firewall, armed)) == CHANGE


def test_rules_that_somebody_removed_come_back(firewall: Settings) -> None:
    seen = host(firewall)
    seen.answers[PROBE] = ["from 198.51.100.7"]
    assert names(plan(firewall, seen)) == CHANGE


def test_a_boot_that_ended_with_the_fallback_is_told_and_mended(firewall: Settings) -> None:
    seen = host(firewall)
    seen.answers[PROBE] = ["from 198.51.100.7", "stamp fallback"]
    seen.units[UNIT]["ActiveState"] = "failed"
    todo = plan(firewall, seen)
    assert names(todo) == [*CHANGE, f"start {UNIT}"]
    assert todo.notes[0].startswith("the minimum was in force, the rules could not be loaded at boot; journalctl -u ")


def test_a_unit_that_is_not_enabled_is_enabled(firewall: Settings) -> None:
    seen = host(firewall)
    seen.units[UNIT]["UnitFileState"] = "disabled"
    assert names(plan(firewall, seen)) == [f"enable {UNIT}"]


@pytest.mark.parametrize(
    ("source", "remedy"), [("203.0.113.5", "203.0.113.5/32"), ("2001:db8:2::1%eth0", "2001:db8:2::1/128")]
)
def test_an_operator_who_would_lock_himself_out_is_refused(firewall: Settings, source: str, remedy: str) -> None:
    seen = HostState(answers={PROBE: [f"from {source}"], WAY: ["dev eth0"]})
    with pytest.raises(HostError) as caught:
        plan(firewall, seen)
    address = remedy.partition("/")[0]
    assert str(caught.value) == f"firewall.admin: your own address {address} is not in it; add '{remedy}'"


def test_a_host_that_hides_where_we_come_from_is_proved_by_the_new_connection(firewall: Settings) -> None:
    assert names(plan(firewall, HostState(answers={PROBE: ["from"], WAY: ["from", "links []"]}))) == [*CHANGE, *BOOT]


def test_ports_of_a_slot_that_still_runs_stay_open(firewall: Settings, cluster: Site) -> None:
    """The media ports move while a slot serves calls on the old ones."""
    moved = dataclasses.replace(
        cluster, livekit=dataclasses.replace(cluster.livekit, media_udp=PortRange(41000, 41299))
    )
    settings = moved.for_host("lk1").firewall
    old = (
        "open PUBLIC udp 50000-53333 livekit/media-a",
        "bound udp 0.0.0.0:50001",
        "bound tcp *:7881",
        "bound tcp 127.0.0.1:7890",
    )
    todo = plan(settings, host(firewall, *old))
    assert names(todo) == [*CHANGE, "write fallback.nft"]  # which knows where relays lead
    assert todo.notes == (
        "50001/udp stays open: still bound by a slot of an earlier deploy; a deploy after its end closes it",
    )
    assert plan(settings, host(firewall)).notes == ()


def test_the_port_that_redis_leaves_stays_open_to_the_hosts_that_may_still_use_it(
    firewall: Settings, cluster: Site
) -> None:
    moved = dataclasses.replace(cluster, redis=dataclasses.replace(cluster.redis, port=PortRange(7379, 7379)))
    settings = moved.for_host("lk1").firewall
    old = ("open CLUSTER tcp 6379 redis/redis", "bound tcp 127.0.0.1:6379", "bound tcp 10.0.0.11:6379")
    todo = plan(settings, host(firewall, *old))
    assert names(todo) == CHANGE
    assert todo.notes == (
        "6379/tcp stays open: slots of an earlier deploy may still use it; a deploy after its end closes it",
    )
    # in force now; the old Redis' port is bound by what forwards from it
    beyond = kept(settings, observed(host(firewall, *old)).opened, [("tcp", 6379)])
    main, stamp = _main(settings, beyond)
    seen = host(settings, *old)
    seen.answers[PROBE][1] = f"stamp {stamp}"
    seen.files[main.path] = main.sha256
    assert names(plan(settings, seen)) == [], "the next deploy leaves them as they are"
    seen.answers[PROBE] = [line for line in seen.answers[PROBE] if not line.startswith("bound")]
    assert names(plan(settings, seen)) == CHANGE, "and closes it when nothing is bound there"


def steps_of(done: FakeRun) -> list[str]:
    """Which of the role's scripts ran, in order."""
    marks = {
        "load": "systemd-run",
        "restore": 'sh -c "$3"',
        "confirm": "sha256sum >",
        "boot": "fallback.nft",
        "enable": "-q enable",
    }
    return [step for command in done.commands["lk1"] for step, mark in marks.items() if mark in command]


def run(
    fake_run: Callable[..., FakeRun], settings: Settings, fails: str = "never", prove: Prove | None = None
) -> FakeRun:
    def answer(_host: str, command: str) -> str | None:
        if "sh -s" in command:
            return look(fresh())
        return None if fails in command else ""

    return fake_run(lambda: one_by_one("firewall", activate(settings, prove)), answer=answer)


def test_rules_are_confirmed_only_after_a_new_connection(
    fake_run: Callable[..., FakeRun], firewall: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    budgets: list[float] = []
    monkeypatch.setattr(ssh, "new_login", lambda host, within: budgets.append(within))
    done = run(fake_run, firewall)
    assert done.results["lk1"].word == "done"
    assert steps_of(done) == ["load", "confirm", "boot", "enable"]
    assert budgets == [30], "half of what the rollback waits"


def test_without_a_new_connection_nothing_is_confirmed(
    fake_run: Callable[..., FakeRun], firewall: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shut(host: object, within: float) -> None:
        raise HostError("no new SSH connection to lk1 within 30 s (timed out)")

    monkeypatch.setattr(ssh, "new_login", shut)
    done = run(fake_run, firewall)
    assert done.results["lk1"].word == "failed"
    assert "(timed out); the old rules come back by themselves within 60 s: check " in done.results["lk1"].why
    assert steps_of(done) == ["load"]


def test_rules_that_do_not_load_end_the_turn(fake_run: Callable[..., FakeRun], firewall: Settings) -> None:
    done = run(fake_run, firewall, fails="systemd-run")
    assert done.results["lk1"].word == "failed"
    assert steps_of(done) == ["load"]


@pytest.mark.parametrize(
    ("answers", "word", "steps", "said"),
    [
        ([""], "done", ["load", "confirm"], ""),
        (["no media", ""], "failed", ["load", "restore"], "no call gets through the new rules: no media; the old ones"),
        (
            ["no media", "no media"],
            "done",
            ["load", "restore", "load", "confirm"],
            "confirmed by a new login alone: no call gets through the old rules either (no media)",
        ),
        (["-"], "done", ["load", "confirm"], ""),
    ],
    ids=["works", "broken by the rules", "broken before", "nothing serves yet"],
)
def test_rules_are_confirmed_only_when_calls_fare_no_worse(  # noqa: PLR0917 - fixtures
    fake_run: Callable[..., FakeRun], firewall: Settings, answers: list[str], word: str, steps: list[str], said: str
) -> None:
    left = list(answers)
    done = run(fake_run, firewall, prove=lambda host: left.pop(0))
    result = done.results["lk1"]
    assert result.word == word
    assert [step for step in steps_of(done) if step in ("load", "restore", "confirm")] == steps
    assert left == []
    assert said in "".join([result.why, *result.notes])
    assert bool(result.why or result.notes) is bool(said)
