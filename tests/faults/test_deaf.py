"""A slot that hears nothing over Redis' pub/sub gets no sessions: who comes to it would wait for ever."""

from __future__ import annotations

import pytest
from testinfra.host import Host

from livekit_metal.roles.redis.settings import Settings as Redis
from livekit_metal.site.model import Site
from tests.faults.conftest import Change
from tests.support.calls.rooms import REDIS
from tests.support.calls.slots import serving
from tests.support.hosts.deploys import deploy, unchanging

pytestmark = pytest.mark.long


def test_a_slot_that_hears_nothing_gets_no_sessions(site: Site, first: Host, change: Change) -> None:
    name = next(iter(site.hosts))
    redis, before = site.for_host(name).the(Redis), serving(site, name)

    def may(channels: str) -> None:
        words = REDIS.format(redis.host, redis.port, "deploy", f"acl setuser {redis.user} {channels}")
        assert first.check_output(words, redis.deploy_passwords[0].reveal()) == "OK"

    may("resetchannels")
    try:
        told = deploy(change({"livekit": {"room": {"empty_timeout": 611}}}))
    finally:
        may("allchannels")
    assert told.status > 0, told.text
    assert "ready: no call gets through slot" in told.text, "a pinned room is asked for over Redis"
    assert serving(site, name) == before, "new sessions go where they went"
    assert deploy().status == 0
    unchanging()
