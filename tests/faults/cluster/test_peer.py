"""A new slot is proved by a call from another host."""

from __future__ import annotations

import time
from collections.abc import Mapping

from testinfra.host import Host

from livekit_metal.site.model import Site
from tests.faults.conftest import From, callers
from tests.support.hosts.deploys import deploy


def test_a_slot_is_proved_from_the_next_host(probing: From, hosts: Mapping[str, Host], site: Site) -> None:
    began = time.time()
    assert deploy(probing("peer")).status == 0
    first, *others = site.with_role("livekit")
    assert callers(hosts, began) == [name for name in (*others, first) for _ in range(2)], "alone, and in the cluster"


def test_a_peer_outside_the_run_makes_the_call(probing: From, hosts: Mapping[str, Host], site: Site) -> None:
    first, peer, *_ = site.with_role("livekit")
    assert deploy(probing("peer")).status == 0
    hosts[peer].check_output(f"rm -r {site.paths.releases}/probe")  # what is missing there is brought there
    began = time.time()
    told = deploy(probing("peer"), "--limit", first)
    assert told.status == 0, told.text
    assert callers(hosts, began) == [peer, peer]
