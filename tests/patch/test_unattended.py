"""unattended-upgrades brings a library that ours run on, and needrestart may restart all: a call there goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from testinfra.host import Host

from livekit_metal.call.access import Access
from livekit_metal.core import shell
from tests.patch.archive import WANTS_RESTART, Archive
from tests.support.calls.background_call import talking
from tests.support.calls.slots import serving
from tests.support.hosts.deploys import deploy, unchanging
from tests.support.hosts.lab import Lab

_BYSTANDER = "lkm-bystander.service"  # a daemon of nobody's, on the same library
_SET_UP, _TAKE_AWAY = (shell.program(__file__, name) for name in ("unattended", "attended"))


@pytest.fixture
def host(hosts: Mapping[str, Host], archives: Mapping[str, Archive]) -> Iterator[Host]:
    """The last one."""
    found = list(hosts.values())[-1]
    found.check_output("sh -c %s", _SET_UP)
    yield found
    found.check_output("sh -c %s", _TAKE_AWAY)


def _running(host: Host, units: str) -> dict[str, str]:
    """Unit -> its main process."""
    shown = host.check_output(f"systemctl show -p Id -p MainPID --state=active '{units}'").split("\n\n")
    each = [dict(line.split("=", 1) for line in one.splitlines()) for one in shown]
    return {one["Id"]: one["MainPID"] for one in each}


def test_nobody_restarts_our_daemons_behind_our_back(
    host: Host, access: Access, control: Access, lab: Lab, archives: Mapping[str, Archive]
) -> None:
    name = list(archives)[-1]
    bystander, ours = _running(host, _BYSTANDER), _running(host, "livekit-*.service")
    assert "livekit-edge.service" in ours
    archives[name].offer("9", WANTS_RESTART)
    with talking(access, control, serving(lab.site, name).node, name) as talk:
        said = host.check_output("apt-get -q update && unattended-upgrade -v 2>&1")
        assert archives[name].installed == "9", said
        assert _running(host, _BYSTANDER) != bystander, f"needrestart restarts others\n{said}"
        assert _running(host, "livekit-*.service") == ours
        talk.unnoticed()
    told = deploy()
    assert told.status == 0, told.text
    assert _running(host, "livekit-edge.service") != ours, "a deploy takes the library into service"
    unchanging()
