"""The clock of a host is a machine's own here: one that is off is named, and one that jumps is not heard."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from testinfra.host import Host

from lab.run import wait_until
from livekit_metal.call.errors import CallError
from tests.support.calls.background_call import Talk
from tests.support.hosts.deploys import deploy, unchanging

OFF = 120  # s
_NEWCOMERS = 60.0  # s, on an emulated processor: livekit-server tells of itself every two seconds
_SYNC = "systemd-timesyncd"
# By the clock of the hardware, which is this machine's: at its next second, as it tells no less.
_SET = (
    "c=/sys/class/rtc/rtc0/since_epoch; read -r a <$c; b=$a; "
    "while [ $a = $b ]; do read -r b <$c; done; date -s @$((b + o))"
)


@dataclass(frozen=True)
class Clock:
    """Of the first host, which nothing synchronises meanwhile."""

    host: Host

    def put(self, seconds: int) -> None:
        """Set it so many seconds before or after this machine's."""
        self.host.check_output(f"o={seconds}; {_SET}")

    def right(self) -> None:
        """Set it right, and have it synchronised."""
        self.put(0)
        self.host.check_output(f"systemctl start {_SYNC}")


@pytest.fixture
def clock(first: Host) -> Iterator[Clock]:
    first.check_output(f"systemctl stop {_SYNC}")
    found = Clock(first)
    yield found
    found.right()


@pytest.mark.parametrize("seconds", [-OFF, OFF], ids=["late", "early"])
def test_a_clock_that_is_off_stops_a_deploy_and_is_named(clock: Clock, seconds: int) -> None:
    clock.put(seconds)
    deploy().refused("clock: is 1", "off the controller's", "synchronise both")
    clock.right()
    unchanging()


def _lets_in(talk: Talk) -> bool:
    """Whether who comes now is where the call is."""
    with contextlib.suppress(CallError):
        return talk.where() == talk.node
    return False


def test_a_clock_that_jumps_is_not_heard(talk: Talk, undisturbed: Callable[[], None], clock: Clock) -> None:
    """Ahead and back again, as a virtual machine's does that was paused.

    livekit-server takes a node for gone that has not told of itself for 5 s by the clock, itself too: who comes in
    the moment after a jump is turned away, until it has told of itself again (pkg/routing/selector/utils.go, 1.13.5).
    """
    clock.put(OFF)
    assert wait_until(lambda: _lets_in(talk), _NEWCOMERS, every=0.5)
    clock.put(0)
    assert wait_until(lambda: _lets_in(talk), _NEWCOMERS, every=0.5)
    undisturbed()
