"""What the redis role plans from what it sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from livekit_metal.roles.redis.settings import UNIT, Server, Settings
from livekit_metal.roles.redis.state import PROBE
from livekit_metal.roles.redis.tasks import _service, activate
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.rolling import one_by_one
from livekit_metal.site.model import Site
from tests.roles.conftest import FakeRun
from tests.roles.wanted import as_wanted, look, names

SET = ["set users", f"{UNIT} answers"]
RESTART = [f"start {UNIT}", f"{UNIT} answers"]


@pytest.fixture
def redis(cluster: Site) -> Settings:
    found = cluster.for_host("lk1").redis
    assert found is not None
    return found


def host(redis: Settings, users: tuple[str, ...] | None = None) -> HostState:
    """A host where ``redis`` runs; what it says of its users may differ."""
    here = (*redis.users, redis.mark) if users is None else users
    seen = as_wanted(_service(redis), probes={PROBE: [f"user {name}" for name in here], "redis.elsewhere": ()})
    seen.answers["redis.owners"] = [redis.account]
    seen.stat[redis.data] = ("750", redis.account, redis.account)
    return seen


def plan(redis: Settings, seen: HostState) -> list[str]:
    return names(activate(redis).plan(seen))


def test_a_fresh_host_gets_all_of_it(redis: Settings) -> None:
    assert plan(redis, HostState(answers={PROBE: [], "redis.elsewhere": [], "redis.owners": []})) == [
        f"make {redis.data}",
        "write redis.conf, livekit-redis.service, users.acl, 40-limits.conf and 1 more",
        f"enable {UNIT}",
        *RESTART,
    ]


def test_a_host_as_wanted_is_left_alone(redis: Settings) -> None:
    assert plan(redis, host(redis)) == []


def test_a_rotated_password_is_given_to_the_running_redis(redis: Settings, cluster: Site) -> None:
    before = host(redis)
    assert cluster.vault is not None
    cluster.vault.rotate_password("redis")
    rotated = cluster.for_host("lk1").redis
    assert rotated is not None
    todo = activate(rotated).plan(before)
    assert (names(todo), todo.summary) == (["write users.acl", *SET], "users changed")


def test_users_lost_in_a_killed_deploy_are_made_up_for(redis: Settings) -> None:
    old = (*redis.users, "managed-by-livekit-metal:0")
    assert plan(redis, host(redis, old)) == SET
    assert plan(redis, host(redis, tuple(redis.users))) == SET, "between the old mark and the new"
    assert plan(redis, host(redis, (*redis.users, redis.mark, "stranger"))) == SET


def test_users_changed_by_hand_are_set_again(redis: Settings) -> None:
    seen = host(redis)
    seen.files[redis.acl_file] = "another"
    assert plan(redis, seen) == ["write users.acl", *SET]


def test_a_redis_that_does_not_answer_is_not_restarted_for_that(redis: Settings) -> None:
    seen = host(redis, ())
    seen.answers[PROBE].append("silent")
    with pytest.raises(HostError, match="has not answered for 25 s"):
        plan(redis, seen)


def test_a_redis_that_lets_us_in_by_no_password_is_restarted(redis: Settings) -> None:
    assert plan(redis, host(redis, ())) == [f"restart {UNIT} for its users", f"{UNIT} answers"]


def test_a_change_of_the_configuration_restarts(redis: Settings) -> None:
    other = dataclasses.replace(redis, max_memory_mb=1024)
    assert plan(other, host(redis)) == ["write redis.conf, 50-stamp.conf", *RESTART]


def test_a_restart_that_is_needed_anyway_brings_the_users_too(redis: Settings) -> None:
    seen = host(redis, ("somebody",))
    seen.units[UNIT]["Stamp"] = "another"
    assert plan(redis, seen) == RESTART


def test_data_that_belongs_to_another_is_given_back(redis: Settings) -> None:
    seen = host(redis)
    seen.stat[redis.data] = ("755", "root", "root")
    assert plan(redis, seen) == [f"make {redis.data}"]


def test_data_that_would_be_left_behind_is_refused(redis: Settings) -> None:
    seen = host(redis)
    seen.answers["redis.elsewhere"] = ["/srv/before/redis"]
    with pytest.raises(HostError) as caught:
        plan(redis, seen)
    assert f"the data is in /srv/before/redis and paths.state puts it into {redis.data}; " in str(caught.value)
    assert f"mv /srv/before/redis {redis.data}" in str(caught.value)


@pytest.mark.parametrize(("before", "after"), [("redis", "valkey"), ("valkey", "redis")])
def test_what_one_server_has_kept_is_given_to_the_other(redis: Settings, before: Server, after: Server) -> None:
    """Before anything else of Redis changes: where that fails, the unit is as it was."""
    seen = host(dataclasses.replace(redis, server=before))
    assert plan(dataclasses.replace(redis, server=after), seen) == [
        f"give the data of {before} to {after}",
        f"make {redis.data}",
        "write livekit-redis.service, users.acl, 50-stamp.conf",
        *RESTART,
    ]


def test_a_change_of_servers_that_was_killed_is_done_again(redis: Settings) -> None:
    """Some of the data has changed hands, and nobody runs."""
    seen = host(redis)
    seen.answers["redis.owners"] = ["redis", "root", "valkey"]
    seen.units[UNIT]["ActiveState"] = "inactive"
    assert plan(redis, seen) == ["give the data of valkey to redis", *RESTART]


def test_a_server_that_runs_with_its_data_is_not_stopped_for_a_stray_file(redis: Settings) -> None:
    seen = host(redis)
    seen.answers["redis.owners"] = ["redis", "valkey"]
    assert plan(redis, seen) == []


def test_no_password_is_in_an_argument_list(fake_run: Callable[..., FakeRun], redis: Settings, cluster: Site) -> None:
    """The users are set and the proof is taken; everything secret came by standard input."""
    answer = look(host(redis, ("old",)))
    done = fake_run(
        lambda: one_by_one("redis", activate(redis)), answer=lambda _h, c: answer if "sh -s" in c else "PONG"
    )
    assert done.results["lk1"].word == "done"
    commands = done.commands["lk1"]
    assert [c for c in commands if "acl %s" in c], "the users were set"
    assert [c for c in commands if '--user "$3" ping' in c], "an answer was asked for"
    assert cluster.vault is not None
    assert not [v for v in cluster.vault.every_value() if v in "".join(commands)]


def test_a_redis_that_does_not_answer_fails_the_host(fake_run: Callable[..., FakeRun], redis: Settings) -> None:
    seen = host(redis)
    seen.units[UNIT]["Stamp"] = "another"

    def answer(_host: str, command: str) -> str | None:
        if "sh -s" in command:
            return look(seen)
        return None if '--user "$3" ping' in command else ""

    done = fake_run(lambda: one_by_one("redis", activate(redis)), answer=answer)
    assert done.results["lk1"].word == "failed"
    assert f"waiting for: Redis' answer at {redis.address} (" in done.results["lk1"].why


def test_the_look_holds_no_password_where_it_could_be_printed(redis: Settings) -> None:
    assert redis.deploy_passwords[0].reveal() not in repr(activate(redis))
