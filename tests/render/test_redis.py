"""Redis' files: read back by Redis itself, compared with the site."""

from __future__ import annotations

import copy
import dataclasses
import shlex
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.roles.redis import forwarder
from livekit_metal.roles.redis.settings import Settings
from livekit_metal.roles.redis.tasks import _service
from livekit_metal.site.model import Site
from tests.support.programs import redisd
from tests.support.values.sites import PHONES, RECORDING, SINGLE, streaming

Ask = Callable[..., str]

DAEMONS = ("egress", "ingress", "sip")


@pytest.fixture
def redis(any_site: Site) -> Settings:
    found = any_site.for_host("lk1").redis
    assert found is not None
    return found


def text(redis: Settings, path: str) -> str:
    return next(f.text for f in _service(redis).all_files if f.path.endswith(path))


@pytest.fixture
def ask(redis: Settings, tmp_path: Path) -> Iterator[Ask]:
    """``ask(user, password, command…)`` of a Redis that runs with the rendered files."""
    with redisd.started(redis, tmp_path) as here:
        yield partial(redisd.ask, here)


def test_redis_takes_the_settings_of_the_site(any_site: Site, redis: Settings, ask: Ask) -> None:
    info = dict(
        line.split(":", 1)
        for line in ask("monitor", redis.monitor_passwords[0].reveal(), "info").splitlines()
        if ":" in line
    )
    assert info["maxmemory"] == str(any_site.redis.max_memory_mb * 1024 * 1024)
    assert info["maxmemory_policy"] == "noeviction"
    assert info["aof_enabled"] == "1"


def test_redis_listens_where_the_site_says_and_keeps_its_data_there(any_site: Site, redis: Settings) -> None:
    lines = dict(line.split(" ", 1) for line in text(redis, "redis.conf").splitlines() if line and line[0] != "#")
    others = [any_site.hosts["lk1"].cluster_address] if len(any_site.hosts) > 1 else []
    assert lines["bind"].split() == ["127.0.0.1", *others]
    assert lines["port"] == str(any_site.redis.port)
    assert lines["dir"] == f"{any_site.paths.state}/redis"
    assert lines["aclfile"] == f"{any_site.paths.config}/redis/users.acl"
    assert shlex.split(lines["client-output-buffer-limit"]) == ["pubsub", "32mb", "8mb", "60"]


def test_the_user_livekit_has_data_and_messages_and_manages_nothing(redis: Settings, ask: Ask) -> None:
    password, user = redis.passwords[0].reveal(), redis.user
    assert ask(user, password, "set", "key", "value") == "OK"
    assert ask(user, password, "publish", "channel", "message") == "0"
    assert ask(user, password, "eval", "return redis.call('get', KEYS[1])", "1", "key") == "value"
    for command in ("flushall", "config get *", "acl list", "shutdown", "replicaof no one", "save", "monitor"):
        assert ask(user, password, *command.split()).startswith("NOPERM"), command


def test_without_a_right_password_nobody_gets_in(redis: Settings, ask: Ask) -> None:
    for user, password in [("", ""), (redis.user, "wrong"), ("monitor", redis.passwords[0].reveal()), ("default", "x")]:
        assert ask(user, password, "get", "key") == "NOAUTH Authentication required.", user


def test_the_user_monitor_sees_no_data(redis: Settings, ask: Ask) -> None:
    password = redis.monitor_passwords[0].reveal()
    for command in ("get key", "keys *", "publish a b", "config get *", "client list"):
        assert ask("monitor", password, *command.split()).startswith("NOPERM"), command


def test_both_passwords_of_a_rotation_are_valid(any_site: Site) -> None:
    assert any_site.vault is not None
    old = any_site.vault.passwords("redis")[0].reveal()
    any_site.vault.rotate_password("redis")
    redis = any_site.for_host("lk1").redis
    assert redis is not None
    new = redis.passwords[0].reveal()
    assert (len(redis.passwords), redis.passwords[1].reveal()) == (2, old)
    assert new != old
    assert len([user for user in redis.users if user.startswith("livekit-")]) == 2, "each with a user of its own"


@pytest.mark.parametrize("role", DAEMONS)
def test_each_daemon_has_a_user_of_its_own_who_may_what_livekit_may(
    role: str, make_site: Callable[[dict[str, Any]], Site], tmp_path: Path
) -> None:
    data = copy.deepcopy(SINGLE | (PHONES if role == "sip" else {"egress": RECORDING} if role == "egress" else {}))
    data = streaming(data) if role == "ingress" else data
    data["hosts"]["lk1"]["roles"] = [*dict.fromkeys((*data["hosts"]["lk1"]["roles"], role))]
    stack = make_site(data).for_host("lk1")
    daemon = getattr(stack, role)
    assert stack.redis is not None
    assert {name.partition("-")[0] for name in stack.redis.users} - {"default", "monitor", "deploy"} == {
        "livekit",
        role,
    }
    assert daemon.redis.username.startswith(f"{role}-")
    assert daemon.redis.password not in stack.redis.passwords
    with redisd.started(stack.redis, tmp_path) as here:
        ask = partial(redisd.ask, here, daemon.redis.username, daemon.redis.password.reveal())
        assert ask("set", "key", "value") == "OK"
        assert ask("publish", "channel", "message") == "0"
        assert ask("acl", "list").startswith("NOPERM")
        assert redisd.ask(here, here.user, daemon.redis.password.reveal(), "ping").startswith("NOAUTH")


def test_redis_tells_which_users_it_has(redis: Settings, ask: Ask) -> None:
    told = ask("deploy", redis.deploy_passwords[0].reveal(), "acl", "list").splitlines()
    assert {line.split()[1] for line in told} == {*redis.users, redis.mark}
    assert ask(redis.mark, "", "ping") == "NOAUTH Authentication required."


def test_no_file_holds_a_password(any_site: Site, redis: Settings) -> None:
    assert any_site.vault is not None
    files = _service(redis).all_files
    assert not [v for v in any_site.vault.every_value() if v in "".join(f.text for f in files)]
    (acl,) = [f for f in files if f.secret]
    assert (acl.path, acl.mode, acl.user, acl.group) == (redis.acl_file, "640", "root", "redis")


def test_the_unit_is_sound_and_tight(redis: Settings, verify_unit: Callable[[str, str], float]) -> None:
    unit = text(redis, "/livekit-redis.service")
    assert verify_unit("livekit-redis.service", unit) <= 1.5
    assert f"ReadWritePaths={redis.data}\n" in unit
    assert f"ExecStart=/usr/bin/redis-server {redis.config}\n" in unit


def test_the_unit_of_valkey_differs_in_the_server_and_its_user_alone(redis: Settings) -> None:
    unit = text(dataclasses.replace(redis, server="valkey"), "/livekit-redis.service")
    assert f"ExecStart=/usr/bin/valkey-server {redis.config}\n" in unit
    assert "\nUser=valkey\nGroup=valkey\n" in unit
    assert "\nExecPaths=/usr/bin/valkey-server " in unit
    of_redis = text(redis, "/livekit-redis.service")
    words = ("/usr/bin/redis-server", "man:redis-server", "User=redis", "Group=redis")
    for word in words:
        of_redis = of_redis.replace(word, word.replace("redis", "valkey"))
    assert unit == of_redis


def test_the_unit_for_former_addresses_is_sound_and_tight(
    redis: Settings, verify_unit: Callable[[str, str], float]
) -> None:
    left = ("10.0.0.11:1111", "[fd00::11]:1111")
    (unit,) = forwarder.service(dataclasses.replace(redis, former=left)).files
    assert verify_unit("livekit-redis-forward.service", unit.text) <= 1.5
    command = unit.text.split("\nExecStart=")[1].split("\nRestart=")[0].replace("\\\n", " ").split()
    assert [word.removeprefix("--listen=") for word in command if word.startswith("--listen=")] == list(left)
    assert command[-1] == f"127.0.0.1:{redis.port}", "Redis itself, without a way around"


def test_what_was_written_in_a_transaction_is_there_after_a_restart(redis: Settings, tmp_path: Path) -> None:
    """livekit-server keeps ingresses and SIP trunks so. Redis replays its file as the user `default`."""
    user, password = redis.user, redis.passwords[0].reveal()
    with redisd.started(redis, tmp_path) as here:
        made = redisd.ask(
            here, user, password, "eval", "return redis.call('hset', 'ingress', 'IN_1', 'x')", "1", "ingress"
        )
        assert made == "1"
        done = redisd.transaction(here, user, password, "hset ingress IN_2 y", "sadd room_ingress:r IN_2")
        assert done.splitlines()[-2:] == ["1", "1"]
    with redisd.started(redis, tmp_path) as here:
        assert sorted(redisd.ask(here, user, password, "hkeys", "ingress").split()) == ["IN_1", "IN_2"]
