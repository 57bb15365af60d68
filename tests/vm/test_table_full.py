"""A table of connections that is full: new connections fail, calls go on, because media is not in it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator

import pytest
from testinfra.host import Host

from tests.support.programs.namespaces import inside
from tests.vm.conftest import Machine

MOST = "net.netfilter.nf_conntrack_max"
ROOM = 10  # connections that still fit
MENDS = 300  # s after which the host forgets the limit by itself, as nobody could log in to do so
_FULL = "dmesg | awk '/table full/ { n++ } END { print n + 0 }'"


@pytest.fixture
def narrow(first: Host) -> Iterator[None]:
    """A table in which little more has room than what is in it."""
    before = first.check_output("sysctl -n %s", MOST)
    undo = f"sysctl -q {MOST}={before}"
    first.check_output(f"systemd-run -q --collect --unit=tests-mend --on-active={MENDS} {undo}")
    first.check_output(f"sysctl -q {MOST}=$(($(cat /proc/sys/net/netfilter/nf_conntrack_count) + {ROOM}))")
    yield
    first.check_output(f"{undo}; systemctl stop tests-mend.timer")


def test_calls_go_on_when_the_table_of_connections_is_full(
    vm: Machine, undisturbed: Callable[[], None], narrow: None
) -> None:
    edge = (vm.address, vm.stack.edge.http.first)
    before = vm.host.check_output(_FULL)
    with contextlib.ExitStack() as held:
        refused = 0
        with inside(vm.namespace):
            for _ in range(4 * ROOM):
                try:
                    held.enter_context(socket.create_connection(edge, timeout=1))
                except OSError:
                    refused += 1
        assert refused, "there is no room left"
        assert vm.host.check_output(_FULL) != before
        undisturbed()
