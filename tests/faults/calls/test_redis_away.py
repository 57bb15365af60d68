"""Redis goes away when a slot joins: the change fails, and whoever talks goes on talking."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testinfra.host import Host

from livekit_metal.site.model import Site
from tests.faults.conftest import Change
from tests.support.calls.background_call import Talk
from tests.support.calls.slots import draining, serving
from tests.support.hosts.deploys import deploy, unchanging

# Done by the host itself: away from right before the candidate starts until it has found nobody, and no longer, however
# busy the host is.
PLACE = "/usr/local/sbin/systemctl"
AWAY = """#!/bin/sh
case "$1 $(readlink "/etc/systemd/system/$2.d/50-generation.conf")" in
"start "*-alone.conf) ;;
"start "*slot-?.conf)
  /usr/bin/systemctl stop livekit-redis
  /usr/bin/systemctl "$@"
  timeout 30 sh -c "until /usr/bin/systemctl show -p SubState $2 | grep -q auto-restart; do sleep 0.05; done"
  exec /usr/bin/systemctl start livekit-redis ;;
esac
exec /usr/bin/systemctl "$@"
"""


@pytest.fixture
def away(first: Host) -> Iterator[None]:
    """On the first host Redis is away while a slot joins."""
    first.check_output("printf %s > " + f"{PLACE}; chmod 755 {PLACE}", AWAY)
    yield
    first.check_output(f"rm {PLACE}; systemctl start livekit-redis")


@pytest.fixture(autouse=True)
def _back(first: Host, site: Site) -> Iterator[None]:
    yield
    _lets_in(first, site)
    assert deploy().status == 0
    unchanging()


def _lets_in(first: Host, site: Site) -> None:
    """Wait until the edge takes new sessions: a slot counts as ill while Redis is away."""
    edge = f"http://127.0.0.1:{site.edge.http}/"
    first.check_output(f"timeout 30 sh -c 'until curl -sf {edge} >/dev/null; do sleep 0.2; done'")


@pytest.mark.usefixtures("away")
def test_a_candidate_that_finds_no_redis_never_serves(site: Site, first: Host, change: Change, talk: Talk) -> None:
    name = next(iter(site.hosts))
    old, redis = serving(site, name), first.check_output("systemctl show -p MainPID livekit-redis")
    told = deploy(change({"livekit": {"room": {"empty_timeout": 701}}}))
    assert told.status > 0
    assert "unable to connect to redis" in told.text, told.text
    assert "Traceback" not in told.text
    assert first.check_output("systemctl show -p MainPID livekit-redis") != redis, "it was away"
    assert serving(site, name).unit == old.unit
    assert draining(name) == []
    _lets_in(first, site)
    talk.unnoticed()
