"""A site of many hosts on pyinfra's @fake: it is planned whole, and a host more costs no more than the one before."""

from __future__ import annotations

import pstats
from pathlib import Path

from bench.controller.measure import dry


def test_a_first_deploy_of_a_hundred_hosts_is_planned() -> None:
    done = dry(100)
    assert done.said.count("livekit would: push livekit-server") == 100
    assert "[lk100] Ready: deploy.py" in done.said
    services = next(line for line in done.said.splitlines() if "livekit-metal | Services" in line)
    assert services.split()[3] == "100", services
    assert done.memory < 200, "MB; 89 when this was written"


def test_what_a_host_costs_does_not_grow_with_the_site(tmp_path: Path) -> None:
    """Counted in calls of functions, which are as many on a busy machine."""

    def calls(hosts: int) -> int:
        dry(hosts, profile=(file := tmp_path / f"{hosts}.profile"))
        counted: int = pstats.Stats(str(file)).total_calls  # type: ignore[attr-defined]
        return counted

    few, more, most = calls(5), calls(20), calls(35)
    assert most - more < 1.3 * (more - few), "1.1 is due to lists of nodes in every host's files"
