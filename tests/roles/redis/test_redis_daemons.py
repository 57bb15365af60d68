"""The users that the daemons beside livekit-server have of a running Redis: each with passwords of its own."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.roles.redis.settings import Settings, user
from livekit_metal.roles.redis.tasks import _set_users
from livekit_metal.site.model import Site
from tests.roles.redis.test_redis_users import current, let_in, logged_in, newest, report, rotated, until_gone, users
from tests.support.programs import redisd
from tests.support.values.sites import PHONES, RECORDING, SINGLE, streaming

DAEMONS = ("egress", "ingress", "sip")


@pytest.fixture
def every(make_site: Callable[[dict[str, Any]], Site], tmp_path: Path) -> Iterator[tuple[Site, Settings]]:
    """A site that has each of the daemons, and its Redis."""
    data = copy.deepcopy(SINGLE | PHONES) | {"egress": RECORDING}
    data["hosts"]["lk1"]["roles"] += ["egress", "sip"]
    site = make_site(streaming(data))
    found = site.for_host("lk1").redis
    assert found is not None
    with redisd.started(found, tmp_path) as running:
        yield site, running


@pytest.mark.parametrize("role", DAEMONS)
def test_a_daemon_has_a_rotation_of_its_own(role: str, every: tuple[Site, Settings], do: Callable[..., None]) -> None:
    """Its old password stays while it is used, and the others do not notice."""
    site, here = every
    old, others = current(here, role), [each for each in ("livekit", *DAEMONS) if each != role]
    assert site.vault is not None
    with logged_in(here, role) as client_id, logged_in(here, others[0]) as beside:
        before = client_id(), beside()
        do(_set_users, settings=(new := rotated(site, here, f"redis-{role}")), running=users(here))
        assert [current(new, each) for each in others] == [current(here, each) for each in others]
        assert let_in(here, role, old)
        assert let_in(here, role, current(new, role))
        site.vault.retire_password(f"redis-{role}")
        left = newest(site, here)
        assert [name for name, _ in report(left).retired] == [user(role, old)]
        still = dataclasses.replace(left, retired=report(left).retired)
        do(_set_users, settings=still, running=users(still))
        assert (client_id(), beside()) == before, "the same connections"
        assert let_in(here, role, old)
        assert users(left).count(user(role, old)) == 1
    until_gone(left)
    do(_set_users, settings=left, running=users(left))
    assert not let_in(here, role, old)
    assert all(let_in(here, each, current(left, each)) for each in ("livekit", *DAEMONS))


@pytest.mark.parametrize("role", DAEMONS)
def test_the_user_that_a_daemon_had_before_it_got_its_own_stays(
    role: str, every: tuple[Site, Settings], do: Callable[..., None]
) -> None:
    """A Redis as an earlier version left it: slots of then, and generations to roll back to, log in by that user."""
    site, here = every
    shared = dataclasses.replace(here, daemon_passwords={})
    do(_set_users, settings=shared, running=users(shared))
    assert not let_in(here, role, current(here, role))
    with logged_in(here) as client_id:
        before = client_id()
        do(_set_users, settings=newest(site, here), running=users(here))
        assert client_id() == before
        assert let_in(here, role, current(here, role))
        assert let_in(here, "livekit", current(here, "livekit"))


def test_the_user_of_a_daemon_that_the_site_has_no_more_stays_while_it_runs(
    every: tuple[Site, Settings], do: Callable[..., None]
) -> None:
    _, here = every
    without = dataclasses.replace(here, daemon_passwords={r: p for r, p in here.daemon_passwords.items() if r != "sip"})
    with logged_in(here, "sip"):
        assert [name for name, _ in report(without).retired] == [user("sip", current(here, "sip"))]
