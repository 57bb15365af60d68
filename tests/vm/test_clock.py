"""The clock of a host is a machine's own here: one that is off is named, and one that jumps is not heard."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from testinfra.host import Host

from tests.support.calls.background_call import Talk
from tests.support.hosts.deploys import deploy, unchanging

OFF = 120  # s
# By the clock of the hardware, which is this machine's: at its next second, as it tells no less.
_SET = (
    "c=/sys/class/rtc/rtc0/since_epoch; read -r a <$c; b=$a; "
    "while [ $a = $b ]; do read -r b <$c; done; date -s @$((b + o))"
)


@pytest.fixture
def clock(first: Host) -> Iterator[Callable[[int], None]]:
    """Sets the first host's clock so many seconds before or after this machine's; right again in the end."""
    sync = "systemd-timesyncd"

    def put(seconds: int) -> None:
        first.check_output(f"o={seconds}; {_SET}")

    had = first.run(f"systemctl is-active {sync}").stdout.strip() == "active"
    first.run(f"systemctl stop {sync}")
    yield put
    put(0)
    if had:
        first.check_output(f"systemctl start {sync}")


@pytest.mark.parametrize("seconds", [-OFF, OFF], ids=["late", "early"])
def test_a_clock_that_is_off_stops_a_deploy_and_is_named(
    first: Host, clock: Callable[[int], None], seconds: int
) -> None:
    clock(seconds)
    deploy().refused("clock: is 1", "off the controller's", "synchronise both")
    clock(0)
    unchanging()


def test_a_clock_that_jumps_is_not_heard(talk: Talk, clock: Callable[[int], None]) -> None:
    """Ahead and back again, as a virtual machine's does that was paused."""
    clock(OFF)
    assert talk.where() == talk.node
    clock(0)
    report, _ = talk.stop()
    assert report.ok, report.table()
    assert report.events == ()
