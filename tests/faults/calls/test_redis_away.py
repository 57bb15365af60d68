"""Redis goes away when a slot joins: the change fails, and whoever talks goes on talking."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testinfra.host import Host

from stack.site import Site
from tests.deploys import Deploy, deploy, unchanging
from tests.faults.conftest import Change
from tests.slots import draining, serving
from tests.talk import Talk

# Away until the candidate has found nobody, and no longer: signalling goes through Redis, and after some seconds
# without (signal_relay.retry_timeout, 7.5 s with its pauses) livekit-server ends every session, deploy or not.
_AWAY = """systemctl stop livekit-redis
timeout 30 sh -c "until systemctl show -p SubState 'livekit-server@*' | grep -q auto-restart; do sleep 0.05; done"
systemctl start livekit-redis"""


@pytest.fixture(autouse=True)
def _back(first: Host, site: Site) -> Iterator[None]:
    yield
    first.check_output("systemctl start livekit-redis")
    edge = f"http://127.0.0.1:{site.edge.http}/"
    first.check_output(f"timeout 30 sh -c 'until curl -sf {edge} >/dev/null; do sleep 0.2; done'")
    assert deploy().status == 0
    unchanging()


def test_a_candidate_that_finds_no_redis_never_serves(site: Site, first: Host, change: Change, talk: Talk) -> None:
    name = next(iter(site.hosts))
    old = serving(site, name)
    running = Deploy(change({"livekit": {"room": {"empty_timeout": 701}}}))
    assert running.until(lambda line: "end the proof" in line), "\n".join(running.lines)
    first.check_output(_AWAY)
    told = running.end()
    assert told.status > 0
    assert "unable to connect to redis" in told.text, told.text
    assert "Traceback" not in told.text
    assert serving(site, name).unit == old.unit
    assert draining(name) == []
    talk.unnoticed()
