"""The kernel's settings on a deployed host."""

from __future__ import annotations

import re

import pytest
from testinfra.host import Host

from livekit_metal.site.model import HostStack

FILE = "/etc/sysctl.d/60-livekit-metal.conf"
RESERVED = "net.ipv4.ip_local_reserved_ports"
BINDS = 3000
# Binds sockets without saying which port, as a resolver or a browser does; prints what the kernel chose.
_CHOOSE = f"""
import socket
for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
    for _ in range({BINDS}):
        one = socket.socket(socket.AF_INET, kind)
        one.bind(("", 0))
        print(one.getsockname()[1])
        one.close()
"""


@pytest.fixture
def written(host: Host) -> dict[str, str]:
    """What our file says."""
    lines = host.check_output("grep -v '^#' %s", FILE).splitlines()
    return dict(line.split(" = ", 1) for line in lines if line)  # type: ignore[misc]


def numbers(listed: str) -> set[int]:
    ranges = [(part.partition("-")[0], part.rpartition("-")[2]) for part in listed.split(",") if part]
    return {n for first, last in ranges for n in range(int(first), int(last) + 1)}


def test_what_is_written_is_in_force(host: Host, written: dict[str, str]) -> None:
    """So the next boot brings what is there now."""
    assert RESERVED in written
    for name, value in written.items():
        assert host.check_output("sysctl -n %s", name).split() == value.split(), name


def test_every_key_that_can_be_set_is_enough_for_media(host: Host, stack: HostStack) -> None:
    least = {
        "net.core.rmem_max": stack.kernel.socket_buffer_max,
        "net.core.wmem_max": stack.kernel.socket_buffer_max,
        "net.core.rmem_default": stack.kernel.socket_buffer_default,
        "net.core.wmem_default": stack.kernel.socket_buffer_default,
        "net.core.netdev_max_backlog": stack.kernel.backlog,
        "net.netfilter.nf_conntrack_udp_timeout": stack.kernel.udp_timeout,
        "net.netfilter.nf_conntrack_udp_timeout_stream": stack.kernel.udp_timeout_stream,
    }
    settable = [name for name in least if host.run(f"test -w /proc/sys/{name.replace('.', '/')}").rc == 0]
    assert settable, "connection tracking is in use here, so its keys can be set"
    for name in settable:
        assert int(host.check_output("sysctl -n %s", name)) >= least[name], name
    for name in least.keys() - settable:
        assert f"# {name}: cannot be set on this host" in host.file(FILE).content_string


def test_every_port_of_the_site_is_reserved(host: Host, stack: HostStack) -> None:
    reserved = numbers(host.check_output("sysctl -n %s", RESERVED))
    assert reserved >= {n for port in stack.ports for n in range(port.range.first, port.range.last + 1)}


def test_the_kernel_lends_no_port_of_the_site(host: Host, stack: HostStack) -> None:
    chosen = {int(n) for n in host.check_output("python3 -c %s", _CHOOSE).split()}
    assert len(chosen) > BINDS / 2, "it does choose at random"
    assert not chosen & {n for port in stack.ports for n in range(port.range.first, port.range.last + 1)}


def test_systemd_finds_nothing_wrong_with_the_file(host: Host) -> None:
    """It says so on standard error, and ends with 0 all the same."""
    done = host.run("/usr/lib/systemd/systemd-sysctl %s", FILE)
    assert done.rc == 0
    assert not re.findall(r"(?i)couldn't|failed|invalid", done.stderr)
