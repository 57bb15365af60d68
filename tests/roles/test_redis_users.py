"""The users of a running Redis, changed as a deploy would: its shell texts against a real Redis."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from roles._kit import change
from roles.redis.settings import Settings
from roles.redis.tasks import _answers, _set_users, _users_probe
from stack.site import Site
from tests import redisd


@pytest.fixture
def here(single: Site, tmp_path: Path) -> Iterator[Settings]:
    found = single.on("lk1").redis
    assert found is not None
    with redisd.started(found, tmp_path) as running:
        yield running


@pytest.fixture
def do(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run a step with its commands carried out on this machine instead of a host."""

    def carry_out(host: object, script: str, *args: str, stdin: str = "", timeout: int = 60) -> str:
        words = ["sh", "-c", script, "sh", *args]
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False, timeout=timeout)
        if done.returncode:
            raise change.Failed(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    monkeypatch.setattr("roles.redis.tasks.sh", carry_out)
    monkeypatch.setattr("roles._kit.ready.ask", carry_out)
    return lambda step, **arguments: step(None, **arguments)


def rotated(site: Site, here: Settings, *names: str) -> Settings:
    """The settings after new passwords, for the same running Redis."""
    assert site.vault is not None
    for name in names:
        site.vault.rotate_password(name)
    return newest(site, here)


def newest(site: Site, here: Settings) -> Settings:
    found = site.on("lk1").redis
    assert found is not None
    passwords = ("passwords", "monitor_passwords", "deploy_passwords")
    return dataclasses.replace(here, **{name: getattr(found, name) for name in passwords})


def users(settings: Settings) -> list[str]:
    """What the look would report."""
    probe = _users_probe(settings)
    return subprocess.run(["sh", "-s"], input=probe, capture_output=True, text=True, check=True).stdout.split()


def test_the_look_reports_the_users(here: Settings) -> None:
    assert set(users(here)) == {*here.users, here.mark}


def test_a_rotation_is_taken_without_a_restart_and_cuts_nobody(
    single: Site, here: Settings, do: Callable[..., None]
) -> None:
    old = here.passwords[0].reveal()
    environment = os.environ | {"REDISCLI_AUTH": old}
    words = ["redis-cli", "-p", str(here.port), "--user", "livekit"]
    with subprocess.Popen(words, env=environment, stdin=-1, stdout=-1, text=True) as connected:
        assert connected.stdin
        assert connected.stdout
        print("client id", file=connected.stdin, flush=True)
        before = connected.stdout.readline()
        new = rotated(single, here, "redis", "redis-deploy")
        do(_set_users, settings=new, running=users(new))
        print("client id", file=connected.stdin, flush=True)
        assert connected.stdout.readline() == before, "the same connection"
        connected.stdin.close()
    assert set(users(new)) == {*new.users, new.mark}
    for password in (old, new.passwords[0].reveal()):
        assert redisd.ask(new, "livekit", password, "ping") == "PONG"


def test_a_retired_password_is_refused(single: Site, here: Settings, do: Callable[..., None]) -> None:
    old = here.passwords[0].reveal()
    new = rotated(single, here, "redis")
    do(_set_users, settings=new, running=users(new))
    assert single.vault is not None
    single.vault.retire_password("redis")
    left = newest(single, here)
    do(_set_users, settings=left, running=users(left))
    assert redisd.ask(left, "livekit", old, "ping") == "NOAUTH Authentication required."
    assert redisd.ask(left, "livekit", left.passwords[0].reveal(), "ping") == "PONG"


def test_whoever_does_not_belong_is_removed(here: Settings, do: Callable[..., None]) -> None:
    deploy = here.deploy_passwords[0].reveal()
    assert redisd.ask(here, "deploy", deploy, "acl", "setuser", "stranger", "on", "nopass", "+@all") == "OK"
    do(_set_users, settings=here, running=users(here))
    assert set(users(here)) == {*here.users, here.mark}


def test_without_a_password_of_ours_nothing_is_reported(single: Site, here: Settings) -> None:
    new = rotated(single, here, "redis-deploy")
    only_new = dataclasses.replace(new, deploy_passwords=new.deploy_passwords[:1])
    assert users(only_new) == []


def test_a_refused_command_is_an_error_and_the_mark_stays(
    here: Settings, do: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = here.mark
    monkeypatch.setattr(Settings, "users", property(lambda self: {"livekit": "on no-such-rule"}))
    assert here.mark != before
    with pytest.raises(change.Failed, match="Error in ACL SETUSER modifier 'no-such-rule'"):
        do(_set_users, settings=here, running=[before])
    assert before in users(here)


def test_the_proof_needs_the_right_password(single: Site, here: Settings, do: Callable[..., None]) -> None:
    do(_answers, settings=here)
    unknown = rotated(single, here, "redis")
    with pytest.raises(change.Failed, match="WRONGPASS"):
        do(partial(_answers, within=0.5), settings=unknown)
