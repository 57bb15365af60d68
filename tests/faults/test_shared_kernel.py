"""Kernel settings on a host where others set some too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testinfra.host import Host

from tests.support.hosts.deploys import deploy, unchanging

FILE = "/etc/sysctl.d/60-livekit-metal.conf"
LATER = "/etc/sysctl.d/90-tests.conf"
EMPTY = "echo > /proc/sys/net/ipv4/ip_local_reserved_ports"
RESERVED = "net.ipv4.ip_local_reserved_ports"


def value(host: Host, name: str) -> str:
    return host.check_output("sysctl -n %s", name)


@pytest.fixture
def foreign(first: Host) -> Iterator[None]:
    """Somebody else has reserved 61000 to 61009 at run time."""
    own = value(first, RESERVED)
    first.check_output("sysctl -qw %s", f"{RESERVED}={own},61000-61009")
    yield
    first.check_output(f"rm {FILE}; {EMPTY}")
    assert deploy().status == 0
    assert value(first, RESERVED) == own


@pytest.mark.usefixtures("foreign")
def test_ports_that_somebody_else_reserved_stay_reserved(first: Host) -> None:
    assert deploy().status == 0
    assert value(first, RESERVED).endswith(",61000-61009")
    first.check_output(EMPTY)  # as after a boot
    first.check_output("/usr/lib/systemd/systemd-sysctl")
    assert value(first, RESERVED).endswith(",61000-61009")
    unchanging()


def test_a_key_that_was_set_back_is_set_again_and_nothing_else(first: Host) -> None:
    first.check_output("sysctl -qw net.ipv4.tcp_slow_start_after_idle=1")
    told = deploy()
    assert "kernel: set net.ipv4.tcp_slow_start_after_idle\n" in told.text
    assert value(first, "net.ipv4.tcp_slow_start_after_idle") == "0"
    unchanging()


def test_a_file_that_has_the_last_word_at_boot_is_told(first: Host) -> None:
    first.check_output(f"echo 'net.ipv4.tcp_slow_start_after_idle = 1' > {LATER}")
    try:
        told = deploy()
        unchanging()
    finally:
        first.check_output(f"rm {LATER}")
    assert f"{LATER} sets net.ipv4.tcp_slow_start_after_idle to 1 at the next boot, after us; remove that" in told.text
