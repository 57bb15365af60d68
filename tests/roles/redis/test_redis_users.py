"""The users of a running Redis, changed as a deploy would: its shell texts against a real Redis."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.redis.settings import Settings, user
from livekit_metal.roles.redis.state import PROBE, Observed, needs, observed
from livekit_metal.roles.redis.tasks import _answers, _set_users
from livekit_metal.runtime.host import commands
from livekit_metal.runtime.host.state import HostState
from livekit_metal.site.model import Site
from tests.support.programs import redisd


@pytest.fixture
def here(single: Site, tmp_path: Path) -> Iterator[Settings]:
    found = single.for_host("lk1").redis
    assert found is not None
    with redisd.started(found, tmp_path) as running:
        yield running


def rotated(site: Site, here: Settings, *names: str) -> Settings:
    """The settings after new passwords, for the same running Redis."""
    assert site.vault is not None
    for name in names:
        site.vault.rotate_password(name)
    return newest(site, here)


def newest(site: Site, here: Settings) -> Settings:
    found = site.for_host("lk1").redis
    assert found is not None
    passwords = ("passwords", "daemon_passwords", "monitor_passwords", "deploy_passwords")
    return dataclasses.replace(here, **{name: getattr(found, name) for name in passwords})


def report(settings: Settings, age: int = 60, also: str = "") -> Observed:
    """What the look would report of a Redis that has been there for ``age`` seconds; ``also`` is shell text before."""
    probe = f"systemctl() {{ echo 1; }}; ps() {{ echo {age}; }}\n{also}\n{dict(needs(settings).queries)[PROBE]}"
    said = subprocess.run(["sh", "-s"], input=probe, capture_output=True, text=True, check=True).stdout
    return observed(HostState(answers={PROBE: said.splitlines()}))


def current(here: Settings, role: str) -> Secret:
    return (here.passwords if role == "livekit" else here.daemon_passwords[role])[0]


def let_in(here: Settings, role: str, password: Secret) -> bool:
    return redisd.ask(here, user(role, password), password.reveal(), "ping") == "PONG"


def users(settings: Settings) -> list[str]:
    return list(report(settings).users)


@contextlib.contextmanager
def logged_in(here: Settings, role: str = "livekit") -> Iterator[Callable[[], str]]:
    """Somebody who stays connected with the current password; yields what gives the id of the connection."""
    password = current(here, role)
    environment = os.environ | {"REDISCLI_AUTH": password.reveal()}
    words = ["redis-cli", "-p", str(here.port), "--user", user(role, password)]
    with subprocess.Popen(words, env=environment, stdin=-1, stdout=-1, text=True) as connected:
        assert connected.stdin
        assert connected.stdout
        asks, says = connected.stdin, connected.stdout

        def client_id() -> str:
            print("client id", file=asks, flush=True)
            return says.readline()

        client_id()
        yield client_id
        asks.close()


def test_the_look_reports_the_users(here: Settings) -> None:
    assert set(users(here)) == {*here.users, here.mark}


def test_an_answer_that_comes_late_is_waited_for(here: Settings, tmp_path: Path) -> None:
    """On a host that is short of processors; it is not taken for a Redis that lets nobody in."""
    (first := tmp_path / "first").touch()
    late = f'timeout() {{ [ ! -e {first} ] || {{ rm {first}; return 124; }}; command timeout "$@"; }}'
    said = report(here, also=late)
    assert set(said.users) == {*here.users, here.mark}
    assert not said.silent
    assert not first.exists()


def test_one_that_never_answers_is_told_from_one_that_refuses(here: Settings) -> None:
    assert report(here, also="timeout() { return 124; }").silent
    stranger = dataclasses.replace(here, deploy_passwords=(Secret("deploy", "x" * 40),))
    refused = report(stranger)
    assert (refused.users, refused.silent) == ((), False)


def test_a_rotation_is_taken_without_a_restart_and_cuts_nobody(
    single: Site, here: Settings, do: Callable[..., None]
) -> None:
    with logged_in(here) as client_id:
        before = client_id()
        new = rotated(single, here, "redis", "redis-deploy")
        do(_set_users, settings=new, running=users(new))
        assert client_id() == before, "the same connection"
    assert set(users(new)) == {*new.users, new.mark}
    for password in new.passwords:
        assert redisd.ask(new, user("livekit", password), password.reveal(), "ping") == "PONG"


def retired(site: Site, here: Settings, do: Callable[..., None]) -> Settings:
    """The settings after a rotation that Redis has taken, and the end of the old password, which it has not."""
    new = rotated(site, here, "redis")
    do(_set_users, settings=new, running=users(new))
    assert site.vault is not None
    site.vault.retire_password("redis")
    return newest(site, here)


def test_a_retired_password_is_refused(single: Site, here: Settings, do: Callable[..., None]) -> None:
    left = retired(single, here, do)
    assert report(left).retired == ()
    do(_set_users, settings=left, running=users(left))
    assert redisd.ask(left, here.user, here.passwords[0].reveal(), "ping") == "NOAUTH Authentication required."
    assert redisd.ask(left, left.user, left.passwords[0].reveal(), "ping") == "PONG"


def test_a_retired_password_stays_while_somebody_is_logged_in_by_it(
    single: Site, here: Settings, do: Callable[..., None]
) -> None:
    """A slot that drains, on whatever host: it must get in again whenever it needs another connection."""
    old = here.passwords[0].reveal()
    with logged_in(here) as client_id:
        before, left = client_id(), retired(single, here, do)
        still = dataclasses.replace(left, retired=report(left).retired)
        do(_set_users, settings=still, running=users(still))
        assert client_id() == before
        assert redisd.ask(left, here.user, old, "ping") == "PONG"
        assert set(users(left)) == {*still.users, still.mark}, "a second deploy would find nothing to do"
    until_gone(left)
    do(_set_users, settings=left, running=users(left))
    assert redisd.ask(left, here.user, old, "ping") == "NOAUTH Authentication required."


def until_gone(left: Settings) -> None:
    """Wait until Redis has seen the end of the last connection by a retired password."""
    end = time.monotonic() + 10
    while report(left).retired:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_right_after_a_start_of_redis_a_retired_password_counts_as_used(
    single: Site, here: Settings, do: Callable[..., None]
) -> None:
    """Whoever lost the connection has not had the time to come back."""
    left = retired(single, here, do)
    assert len(report(left, age=9).retired) == 1
    assert report(left, age=10).retired == ()


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
    monkeypatch.setattr(Settings, "users", property(lambda self: {"livekit-0": "on no-such-rule"}))
    assert here.mark != before
    with pytest.raises(commands.HostError, match="Error in ACL SETUSER modifier 'no-such-rule'"):
        do(_set_users, settings=here, running=[before])
    assert before in users(here)


def test_the_proof_needs_the_right_password(single: Site, here: Settings, do: Callable[..., None]) -> None:
    do(_answers, at=here.address, settings=here)
    unknown = rotated(single, here, "redis")
    with pytest.raises(commands.HostError, match="WRONGPASS"):
        do(partial(_answers, within=0.5), at=here.address, settings=unknown)
