"""The host's own upgrade with a kernel: `procedures/patch.py` installs it, reboots into it, and it serves again."""

from __future__ import annotations

import asyncio

import pytest

from livekit_metal.call.access import Access
from tests.support.hosts.deploys import Deploy, unchanging
from tests.support.hosts.lab import INVENTORY
from tests.vm.conftest import Machine
from tests.vm.test_change import short_call

META = "linux-image-cloud-amd64"
_APT = "DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=60"
_LONGEST = 1800  # s on an emulated processor


@pytest.fixture
def older(vm: Machine) -> str:
    """The release's own kernel runs, and that of security is due; what `uname -r` says of the latter."""
    vm.host.check_output(f"{_APT} update")
    offered = vm.host.check_output(f"apt-cache madison {META}").splitlines()
    versions = [line.split("|")[1].strip() for line in offered]
    if len(set(versions)) == 1:
        pytest.skip("security has no newer kernel than the release today")
    newer = vm.host.check_output("uname -r")
    vm.host.check_output(f"{_APT} install --allow-downgrades --no-install-recommends {META}={versions[-1]}")
    needed = vm.host.check_output(f"dpkg-query -W -f '${{Depends}}' {META}").split()[0]
    old = needed.removeprefix("linux-image-")
    for link in ("vmlinuz", "initrd.img"):
        vm.host.check_output(f"ln -sfn boot/{link}-{old} /{link}")
    vm.host.check_output("sync")
    vm.power("reboot")
    assert vm.host.check_output("uname -r") == old
    vm.host.check_output(f"{_APT} purge linux-image-{newer}")
    vm.serves()
    return newer


def test_a_kernel_that_is_due_runs_afterwards(access: Access, vm: Machine, older: str) -> None:
    told = Deploy(INVENTORY, "--data", "alone=yes", plan="procedures/patch.py").end(within=_LONGEST)
    assert told.status == 0, told.text
    assert vm.host.check_output("uname -r") == older
    assert asyncio.run(short_call(access)).ok
    unchanging()
