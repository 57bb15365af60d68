"""What the redis role plans about the addresses that Redis leaves, and what the look says of them."""

from __future__ import annotations

import dataclasses
import shlex
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.ports import PortRange
from livekit_metal.roles.redis import forwarder
from livekit_metal.roles.redis.settings import FORWARD_UNIT, FORWARD_UNIT_BEFORE, UNIT, Settings
from livekit_metal.roles.redis.state import PROBE, needs
from livekit_metal.roles.redis.tasks import _service, activate, retire
from livekit_metal.runtime.host.service import UNITS
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.rolling import one_by_one
from livekit_metal.site.model import Site
from tests.roles.conftest import FakeRun
from tests.roles.wanted import as_wanted, look, names

OLD, NEW = "10.0.0.11:6379", "10.0.0.11:7379"
RESTART = [f"start {UNIT}", f"{UNIT} answers"]
START = [f"start {FORWARD_UNIT}", f"{FORWARD_UNIT} answers"]
WRITE = f"write {FORWARD_UNIT}, 40-limits.conf, 50-stamp.conf"
NOTE = f"{OLD} goes on leading to Redis for slots of an earlier deploy; a deploy after their end closes it"


def moved(site: Site, port: int = 7379) -> Settings:
    found = (
        dataclasses.replace(site, redis=dataclasses.replace(site.redis, port=PortRange(port, port)))
        .for_host("lk1")
        .redis
    )
    assert found is not None
    return found


@pytest.fixture
def before(cluster: Site) -> Settings:
    return moved(cluster, 6379)


@pytest.fixture
def after(cluster: Site) -> Settings:
    return moved(cluster)


def host(
    redis: Settings,
    *said: str,
    formerly: tuple[str, ...] = (),
    target: Settings | None = None,
    unit: str = FORWARD_UNIT,
) -> HostState:
    """A host where ``redis`` runs, and what it left is forwarded from ``formerly`` (to where ``target`` listens)."""
    services = [_service(redis)]
    if formerly:
        services.append(forwarder.service(dataclasses.replace(target or redis, former=formerly), unit))
    users = [f"user {name}" for name in (*redis.users, redis.mark)]
    seen = as_wanted(
        *services,
        probes={PROBE: [*users, *said, *(f"former {a}" for a in formerly)], "redis.elsewhere": (), "redis.owners": ()},
    )
    seen.stat[redis.data] = ("750", "redis", "redis")
    return seen


def test_an_address_that_redis_leaves_goes_on_working(before: Settings, after: Settings) -> None:
    todo = activate(after).plan(host(before, f"leaves {OLD}"))
    assert names(todo) == [
        WRITE,
        f"enable {FORWARD_UNIT}",
        "write redis.conf, 50-stamp.conf",
        *RESTART,
        *START,
    ]
    assert todo.notes == (NOTE,)
    assert names(retire(after).plan(host(before, f"leaves {OLD}"))) == []


def test_an_address_that_is_added_forwards_nothing(before: Settings) -> None:
    """One host grows to a cluster: Redis listens where it did, and on the cluster's address too."""
    alone = dataclasses.replace(before, bind=("127.0.0.1",), address="127.0.0.1:6379")
    todo = activate(before).plan(host(alone))
    assert (names(todo), todo.notes) == (["write redis.conf, 50-stamp.conf", *RESTART], ())


def test_while_somebody_uses_it_a_deploy_leaves_it_alone(after: Settings) -> None:
    seen = host(after, f"used {OLD}", formerly=(OLD,))
    todo = activate(after).plan(seen)
    assert (names(todo), todo.notes) == ([], (NOTE,))
    assert names(retire(after).plan(seen)) == []


def test_it_ends_when_nobody_uses_it(after: Settings) -> None:
    todo = retire(after).plan(host(after, formerly=(OLD,)))
    assert (names(todo), todo.summary) == ([f"end {FORWARD_UNIT}"], f"{OLD} closed")


def test_one_of_several_in_use_keeps_them_all(after: Settings) -> None:
    """Taking one away would be a restart for the others."""
    seen = host(after, f"used {OLD}", formerly=("10.0.0.11:6370", OLD))
    assert names(retire(after).plan(seen)) == names(activate(after).plan(seen)) == []


def test_addresses_that_the_host_has_no_more_end(after: Settings) -> None:
    seen = host(after, formerly=(OLD,))
    seen.answers[PROBE].remove(f"former {OLD}")
    seen.units[FORWARD_UNIT]["ActiveState"] = "activating"
    assert names(retire(after).plan(seen)) == [f"end {FORWARD_UNIT}"]


def test_a_deploy_killed_before_redis_moved_is_finished(before: Settings, after: Settings) -> None:
    seen = host(before, f"leaves {OLD}", formerly=(OLD,), target=after)
    del seen.units[FORWARD_UNIT]["Stamp"]
    seen.units[FORWARD_UNIT]["ActiveState"] = "inactive"
    assert names(retire(after).plan(seen)) == []
    assert names(activate(after).plan(seen)) == ["write redis.conf, 50-stamp.conf", *RESTART, *START]


def test_a_deploy_killed_after_redis_moved_is_finished(after: Settings) -> None:
    """Nobody is connected to what does not run: that is no reason to end it."""
    seen = host(after, formerly=(OLD,))
    seen.units[FORWARD_UNIT] = {"ActiveState": "inactive", "UnitFileState": "enabled"}
    assert names(retire(after).plan(seen)) == []
    assert names(activate(after).plan(seen)) == START


def test_redis_on_its_way_back_gets_its_address_from_the_forwarder(before: Settings, after: Settings) -> None:
    todo = activate(before).plan(host(after, f"leaves {NEW}", f"used {OLD}", formerly=(OLD,)))
    assert names(todo) == [
        f"write {FORWARD_UNIT}, 50-stamp.conf",
        f"stop {FORWARD_UNIT}",
        "write redis.conf, 50-stamp.conf",
        *RESTART,
        *START,
    ]


def test_a_forwarder_by_its_name_in_0_1_goes_on_and_ends_by_it(before: Settings, after: Settings) -> None:
    """Who is connected through it would lose messages by another one; it is gone with the last of them."""
    (unit,) = forwarder.service(dataclasses.replace(after, former=(OLD,)), FORWARD_UNIT_BEFORE).files
    assert unit.path == f"{UNITS}/livekit-redis-formerly.service"
    seen = host(after, f"used {OLD}", formerly=(OLD,), unit=FORWARD_UNIT_BEFORE)
    assert names(activate(after).plan(seen)) == names(retire(after).plan(seen)) == []
    idle = host(after, formerly=(OLD,), unit=FORWARD_UNIT_BEFORE)
    assert names(retire(after).plan(idle)) == [f"end {FORWARD_UNIT_BEFORE}"]
    seen = host(after, f"leaves {NEW}", f"used {OLD}", formerly=(OLD,), unit=FORWARD_UNIT_BEFORE)
    back = activate(before).plan(seen)
    assert f"stop {FORWARD_UNIT_BEFORE}" in names(back)
    assert not [step for step in names(back) if FORWARD_UNIT in step], "there is one forwarder"


def test_a_second_move_keeps_both_addresses(after: Settings, cluster: Site) -> None:
    todo = activate(moved(cluster, 8379)).plan(host(after, f"leaves {NEW}", f"used {OLD}", formerly=(OLD,)))
    assert names(todo)[-3:] == [*START, f"{FORWARD_UNIT} answers"]
    assert todo.notes == (NOTE.replace(OLD, f"{OLD} and {NEW}"),)


def test_it_is_proved_at_the_address_that_clients_expect(
    fake_run: Callable[..., FakeRun], before: Settings, after: Settings
) -> None:
    answer = look(host(before, f"leaves {OLD}"))
    done = fake_run(
        lambda: one_by_one("redis", activate(after)), answer=lambda _h, c: answer if "sh -s" in c else "PONG"
    )
    assert done.results["lk1"].word == "done"
    assert [shlex.split(c)[-3:-1] for c in done.commands["lk1"] if "ping 2>&1" in c] == [
        NEW.split(":"),
        OLD.split(":"),
    ]


def said(redis: Settings, tmp_path: Any, **host: str) -> list[str]:
    """What the look says of a host where programs print ``host``'s words."""
    text = dict(needs(redis).queries)[PROBE].replace(f"{UNITS}/", f"{tmp_path}/")
    fakes = "".join(f"{name}() {{ {body}; }}\n" for name, body in {"timeout": ":", **host}.items())
    return subprocess.run(["sh", "-s"], input=fakes + text, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )[:-1]


LISTENING = f"""case $* in
*--cgroup) echo LISTEN 0 511 127.0.0.1:6379 0.0.0.0:* cgroup:/system.slice/{UNIT}
  echo LISTEN 0 511 {OLD} 0.0.0.0:* cgroup:/system.slice/{UNIT}
  echo LISTEN 0 511 192.0.2.1:6379 0.0.0.0:* cgroup:/system.slice/another-{UNIT} ;;
*) echo 0 0 {OLD} 10.0.0.12:40000; echo 0 0 10.0.0.11:50000 127.0.0.1:6379 ;; esac"""
HERE = "case $5 in 10.0.0.11 | 127.0.0.1) echo 1: eth0 ;; esac"


def test_the_look_says_what_redis_would_leave(before: Settings, after: Settings, tmp_path: Any) -> None:
    host = {"ss": LISTENING, "ip": HERE, "systemctl": "echo 7", "ps": "echo 60"}
    assert said(before, tmp_path, **host) == []
    assert said(after, tmp_path, **host) == ["leaves 127.0.0.1:6379", f"leaves {OLD}"]
    assert said(after, tmp_path, **host | {"ip": ":"}) == [], "an address that is gone cannot be kept"


@pytest.mark.parametrize("name", [FORWARD_UNIT, FORWARD_UNIT_BEFORE])
@pytest.mark.parametrize(("age", "used"), [(60, [OLD]), (9, ["127.0.0.1:6379", OLD])])
def test_the_look_says_which_former_addresses_are_used(
    after: Settings, tmp_path: Any, age: int, used: list[str], name: str
) -> None:
    """All of them, while those who lost a connection may not be back yet."""
    formerly = ("127.0.0.1:6379", OLD, "10.9.9.9:6379")
    (unit,) = forwarder.service(dataclasses.replace(after, former=formerly)).files
    (tmp_path / name).write_text(unit.text)
    told = said(after, tmp_path, ss=LISTENING.replace(UNIT, "x"), ip=HERE, systemctl="echo 7", ps=f"echo {age}")
    assert [line for line in told if line.startswith("former")] == ["former 127.0.0.1:6379", f"former {OLD}"]
    assert [line for line in told if line.startswith("used")] == [f"used {address}" for address in used]
