"""A guest takes no packets from calls in other rooms; with livekit.batch_size he does, as its text says."""

from __future__ import annotations

from livekit_metal.call.access import Access
from tests.support.calls.bystanders import lost
from tests.support.calls.control import untouched_server
from tests.support.hosts.lab import Lab

FEW = 5  # packets that a busy machine may lose by itself; batches cost some 200 of 3,000
BATCHES = {"batch_size": 128, "max_flush_interval": "2ms"}  # upstream's example, and every site's until now


def test_packets_that_the_kernel_refuses_take_no_others_along(access: Access) -> None:
    arrived, missing = lost(access)
    print(f"{missing} missing beside {arrived}")  # pytest -rP
    assert missing <= FEW, f"{missing} missing beside {arrived}"
    assert arrived > 100 * FEW, "there was nothing to lose"


def test_in_batches_they_do(lab: Lab) -> None:
    """Else the other would prove nothing. When this fails, pion's Flush is mended: say so in the option's text."""
    with untouched_server(lab, batch_io=BATCHES) as access:
        arrived, missing = lost(access)
    print(f"{missing} missing beside {arrived}")
    assert missing > 4 * FEW, f"{missing} missing beside {arrived}"
