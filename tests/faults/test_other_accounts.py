"""What other accounts of a host, or a login's umask, leave in a deploy's way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testinfra.host import Host

from livekit_metal.site.model import Site
from tests.support.hosts.deploys import deploy, unchanging

NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups"
LOCKS = ("/run/livekit-metal.lock", "/run/livekit-metal.work")


@pytest.fixture
def held(first: Host) -> Iterator[None]:
    """The lock files are those of an earlier version, which anybody may open, and another account holds both."""
    pids = []
    for file in LOCKS:
        first.check_output(f"rm -f {file}; install -m 644 /dev/null {file}")
        hold = f"{NOBODY} sh -c 'exec 9<{file}; flock -x 9; exec sleep 300' >/dev/null 2>&1 </dev/null & echo $!"
        pids.append(first.check_output(hold))
        first.check_output(f"timeout 10 sh -c 'while flock -n {file} true; do sleep 0.1; done'")
    yield
    first.check_output(f"kill {' '.join(pids)}")


@pytest.mark.usefixtures("held")
def test_another_account_that_holds_the_locks_of_an_earlier_version_stops_no_deploy(first: Host) -> None:
    first.check_output("install -d -m 700 /run/livekit-metal")  # something to do, under the work lock
    told = deploy()
    assert told.status == 0, told.text
    assert first.check_output(f"stat -c %a {' '.join(LOCKS)}").split() == ["600", "600"]
    unchanging()


def test_a_directory_with_a_wrong_mode_is_mended_by_the_next_deploy(first: Host, site: Site) -> None:
    wrong = (site.paths.config, site.paths.releases, "/run/livekit-metal")
    first.check_output(f"install -d -m 750 {' '.join(wrong)}")
    told = deploy()
    assert told.status == 0, told.text
    assert "base: let the daemons into" in told.text
    assert first.check_output(f"stat -c %a {' '.join(wrong)}").split() == ["755"] * 3
    unchanging()
