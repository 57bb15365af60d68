"""lk as it is on a deployed host."""

from __future__ import annotations

import pytest
from testinfra.host import Host

from livekit_metal.roles.lk.settings import COMMAND, Settings
from livekit_metal.site.model import HostStack
from tests.support.hosts.lab import lab

NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups"

if not lab().site.with_role("lk"):
    pytest.skip("no host of this site has lk", allow_module_level=True)


@pytest.fixture
def own(stack: HostStack) -> Settings:
    if (found := stack.of(Settings)) is None:
        pytest.skip(f"{stack.host} has no lk")
    return found


def test_root_asks_livekit_server_with_it(host: Host, own: Settings) -> None:
    assert host.check_output(f"{COMMAND} --version").startswith("lk version ")
    assert host.run(f"{COMMAND} room list").rc == 0


def test_nobody_else_reads_the_key(host: Host, own: Settings) -> None:
    assert host.check_output(f"stat -c '%a %U' {own.context}") == "600 root"
    assert host.run(f"{NOBODY} cat {own.context}").rc != 0
    assert host.run(f"{NOBODY} {COMMAND} --version").rc == 0
