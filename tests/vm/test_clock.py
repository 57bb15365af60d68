"""The clock of a host is a machine's own here: one that is off is named, and one that jumps is not heard."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from testinfra.host import Host

from tests.support.calls.background_call import Talk
from tests.support.hosts.deploys import deploy, unchanging

OFF = 120  # s


@pytest.fixture
def clock(first: Host) -> Iterator[Callable[[float], None]]:
    """Sets the first host's clock so many seconds before or after this machine's; right again in the end."""
    sync = "systemd-timesyncd"

    def put(seconds: float) -> None:
        first.check_output(f"date -s @{time.time() + seconds:.3f}")

    had = first.run(f"systemctl is-active {sync}").stdout.strip() == "active"
    first.run(f"systemctl stop {sync}")
    yield put
    put(0)
    if had:
        first.check_output(f"systemctl start {sync}")


@pytest.mark.parametrize("seconds", [-OFF, OFF], ids=["late", "early"])
def test_a_clock_that_is_off_stops_a_deploy_and_is_named(
    first: Host, clock: Callable[[float], None], seconds: float
) -> None:
    clock(seconds)
    deploy().refused("clock: is 1", "off the controller's", "synchronise both")
    clock(0)
    unchanging()


def test_a_clock_that_jumps_is_not_heard(talk: Talk, clock: Callable[[float], None]) -> None:
    """Ahead and back again, as a virtual machine's does that was paused."""
    clock(OFF)
    assert talk.where() == talk.node
    clock(0)
    report, _ = talk.stop()
    assert report.ok, report.table()
    assert report.events == ()
