"""Hosts with a kernel of their own (`python -m tests.run vm`): virtual machines by Vagrant, deployed.

Their own words stand in `inventories/vagrant.py`. Whoever starts these tests by hand gives them the environment that
`lab.vm.places.environment` says.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from testinfra.host import Host

from lab.places import Lab as Place
from lab.vm.machine import VirtualMachine
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.site.model import HostStack, Site
from tests.faults.conftest import (  # noqa: F401 - fixtures and hooks
    change,
    first,
    pytest_report_header,
    pytest_sessionfinish,
    pytest_unconfigure,
    the_talk,
)
from tests.support.calls.background_call import Talk
from tests.support.hosts.lab import ROOT, Lab, over_ssh
from tests.support.lab_fixtures import the_access, the_control, the_hosts, the_lab, the_site  # noqa: F401 - fixtures


@dataclass(frozen=True)
class Machine:
    """The virtual machine that Redis runs on."""

    lab: Lab
    name: str
    host: Host

    @property
    def site(self) -> Site:
        return self.lab.site

    @property
    def stack(self) -> HostStack:
        return self.site.for_host(self.name)

    @property
    def address(self) -> str:
        return self.site.hosts[self.name].address

    @property
    def namespace(self) -> str:
        """Where a stranger is."""
        return str(self.lab.facts["outside"]["namespace"])

    def power(self, verb: str) -> None:
        """kill, start or reboot it, as an operator does; returns when that is done."""
        words = ["lab", verb, "--name", self.lab.facts["name"], self.name]
        subprocess.run([sys.executable, "-m", *words], check=True, cwd=ROOT)
        # what shares a connection (over_ssh) would wait on one that a power cut has ended without a word
        shared = ["-F", self.lab.directory / "ssh_config", "-o", f"ControlPath={self.lab.directory}/ssh-%C"]
        subprocess.run(["ssh", *shared, "-O", "exit", f"root@{self.name}"], check=False, capture_output=True)

    def kept_waiting(self) -> float:
        """Seconds in which its processors wanted one of this machine's and had none, since its power is on.

        By the second figure of schedstat (Linux, Documentation/scheduler/sched-stats.rst) of QEMU's processor threads.
        """
        pid = VirtualMachine(Place(self.lab.facts["name"]), self.name).pid
        tasks = [task for task in Path(f"/proc/{pid}/task").iterdir() if (task / "comm").read_text().startswith("CPU ")]
        assert tasks, f"{self.name} has no processor"
        return sum(int((task / "schedstat").read_text().split()[1]) for task in tasks) / 1e9

    def serves(self) -> None:
        """Wait until livekit-server answers whom HAProxy leads to it: HAProxy is there before, and says 503."""
        url = f"http://{self.address}:{self.stack.the(Edge).http.first}"
        self.host.check_output("timeout 180 sh -c 'until curl -fs --noproxy \"*\" %s; do sleep 0.2; done'", url)


@pytest.fixture(scope="session")
def vm(lab: Lab) -> Machine:
    if not lab.facts.get("vm"):
        pytest.exit("tests/vm need virtual machines: run `make vm`", returncode=3)
    name = next(iter(lab.site.hosts))
    return Machine(lab, name, over_ssh(name))


@pytest.fixture
def undisturbed(vm: Machine, talk: Talk) -> Callable[[], None]:
    """Ends the call; asserts that it was a good one and was told nothing, and says how busy this machine was."""
    before = vm.kept_waiting()

    def judge() -> None:
        report, _ = talk.stop()
        late = vm.kept_waiting() - before
        said = f"{report.table()}\nits processors waited {late:.2f} s for this machine's"
        print(said)  # pytest -rP
        assert report.ok, said
        assert report.events == (), said

    return judge
