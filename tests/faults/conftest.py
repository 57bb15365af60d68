"""Everything here breaks something on a lab of its own, and mends what it broke."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from livekit_metal.call.access import Access
from livekit_metal.site.model import Site
from tests.support.calls import witness
from tests.support.calls.background_call import Talk, talking
from tests.support.calls.sdkexit import pytest_sessionfinish, pytest_unconfigure  # noqa: F401 - hooks
from tests.support.calls.slots import serving
from tests.support.hosts.deploys import deploy, unchanging, variant
from tests.support.hosts.killed_deploys import settled
from tests.support.hosts.lab import INVENTORY, Lab, lab
from tests.support.lab_fixtures import the_access, the_control, the_hosts, the_lab, the_site  # noqa: F401 - fixtures

LAST = "test_afterwards.py"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-step", action="store_true", help="kill deploys at every step, not at a choice of them")


def pytest_report_header() -> str:
    return f"lab: {lab().directory} ({', '.join(lab().site.hosts)}), site: {INVENTORY}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What proves that all is mended comes last."""
    items.sort(key=lambda item: item.path.name == LAST)


@pytest.fixture(scope="session")
def first(hosts: Mapping[str, Host]) -> Host:
    """The host whose turn is first; Redis runs there."""
    return next(iter(hosts.values()))


@pytest.fixture(name="talk")
def the_talk(access: Access, control: Access, lab: Lab) -> Iterator[Talk]:
    """A call on the slot that serves the first host."""
    name = next(iter(lab.site.hosts))
    with talking(access, control, serving(lab.site, name).node, name) as found:
        yield found


Choice = Callable[..., tuple[str, ...] | None]


@pytest.fixture(scope="session")
def steps(pytestconfig: pytest.Config) -> Choice:
    """Where deploys are killed: ``steps(…)`` is what it is given, or with --every-step None: everywhere."""
    return lambda *some: None if pytestconfig.getoption("--every-step", default=False) else some


@pytest.fixture
def untouched(hosts: Mapping[str, Host], site: Site) -> AbstractContextManager[None]:
    """``with untouched:`` asserts that nothing changes on any host meanwhile."""
    return witness.untouched(hosts, site)


Change = Callable[[Mapping[str, Any]], Path]


@pytest.fixture
def change(tmp_path: Path) -> Change:
    """Makes an inventory file like the one under test, but for the given settings."""
    return partial(variant, tmp_path)


From = Callable[[str], Path]


@pytest.fixture
def probing(change: Change) -> Iterator[From]:
    """An inventory that needs a new slot on every host, proved from the given place; the site's own in the end."""
    new = itertools.count(int(time.time()) % 10_000 + 400)
    yield lambda probe: change({"livekit": {"probe": probe, "room": {"empty_timeout": next(new)}}})
    told = deploy()
    assert told.status == 0, told.text
    unchanging()


def callers(hosts: Mapping[str, Host], since: float) -> list[str]:
    """The host that made it, for each call since then (Unix time) in the order of time, from their journals."""
    asked = f"journalctl -q --no-pager -o short-unix --since=@{since:.0f} -g 'Started .*livekit-metal: a call'"
    said = {name: host.run(asked).stdout.splitlines() for name, host in hosts.items()}
    return [name for _, name in sorted((float(line.split()[0]), name) for name in said for line in said[name])]


@pytest.fixture
def systemctl(first: Host) -> Iterator[Callable[[str], None]]:
    """Has ``systemctl restart`` on the first host do the given shell text before (``exit`` keeps it from more)."""
    place = "/usr/local/sbin/systemctl"

    def put(text: str) -> None:
        script = f'#!/bin/sh\n[ "$1" != restart ] || {{ {text}; }}\nexec /usr/bin/systemctl "$@"\n'
        first.check_output("printf %s > " + f"{place}; chmod 755 {place}", script)

    yield put
    first.check_output(f"rm -f {place}")


@pytest.fixture
def stuck(first: Host, systemctl: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """On the first host a restart hangs, until the given function is called (or the test ends)."""
    go = "/run/tests-go"
    first.check_output(f"rm -f {go}")
    systemctl(f"until [ -e {go} ]; do sleep 0.05; done")

    def release() -> None:
        first.check_output(f"touch {go}")
        settled(first)

    yield release
    release()
    first.check_output(f"rm {go}")
