"""Every key of the kernel role, on a kernel that has them all; and again after a reboot."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from testinfra.host import Host

from tests.vm.conftest import Machine

FILE = "/etc/sysctl.d/60-livekit-metal.conf"
MEDIA = 16 * 1024 * 1024  # bytes that livekit-server asks for on each media socket (mediatransportutil, rtcconfig)
LEAST = {
    "net.core.rmem_max": MEDIA,
    "net.core.wmem_max": MEDIA,
    "net.core.rmem_default": 1024 * 1024,
    "net.core.wmem_default": 1024 * 1024,
    "net.core.netdev_max_backlog": 5000,
    "net.netfilter.nf_conntrack_udp_timeout": 60,
    "net.netfilter.nf_conntrack_udp_timeout_stream": 180,
}
EXACT = {"net.ipv4.tcp_slow_start_after_idle": 0, "vm.overcommit_memory": 1}
MOST = {"net.ipv4.tcp_notsent_lowat": 131072, "vm.swappiness": 10}
LISTED = ("net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem", "net.ipv4.ip_local_reserved_ports")


def in_force(host: Host) -> dict[str, str]:
    names = " ".join([*LEAST, *EXACT, *MOST, *LISTED])
    lines = host.check_output(f"sysctl {names}").splitlines()
    return {name: " ".join(value.split()) for name, value in (line.split(" = ", 1) for line in lines)}


def enough(values: Mapping[str, str]) -> None:
    """Assert that media has what it needs."""
    short = {name: values[name] for name, least in LEAST.items() if int(values[name]) < least}
    wrong = {name: values[name] for name, value in EXACT.items() if int(values[name]) != value}
    much = {name: values[name] for name, most in MOST.items() if int(values[name]) > most}
    assert not short | wrong | much


@pytest.fixture(scope="module")
def deployed(first: Host) -> dict[str, str]:
    return in_force(first)


def test_no_key_of_the_role_is_out_of_reach(first: Host) -> None:
    assert "cannot be set" not in first.file(FILE).content_string
    written = {line.partition(" = ")[0] for line in first.check_output("grep -v '^#' %s", FILE).splitlines() if line}
    assert written == {*LEAST, *EXACT, *MOST, *LISTED}


def test_every_key_is_enough_for_media(deployed: dict[str, str]) -> None:
    enough(deployed)


def test_every_key_is_in_force_after_a_reboot(vm: Machine, deployed: dict[str, str]) -> None:
    """The keys of connection tracking too, which exist only once its module is there."""
    vm.power("reboot")
    after = in_force(vm.host)
    enough(after)
    assert after == deployed
    vm.serves()  # whoever comes next finds it as it was
