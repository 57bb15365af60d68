"""testinfra hosts of the deployed lab, and what the site says of each. Every test here runs once per host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testinfra.host import Host

from livekit_metal.site.model import HostStack
from tests.support.hosts.lab import INVENTORY, lab, over_ssh
from tests.support.lab_fixtures import the_lab, the_site  # noqa: F401 - fixtures


def pytest_report_header() -> str:
    found = lab()
    return (
        f"lab: {found.directory} ({', '.join(found.site.hosts)}), site: {INVENTORY}, release: {found.facts['release']}"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "host_name" in metafunc.fixturenames:
        metafunc.parametrize("host_name", list(lab().site.hosts), scope="session")


@pytest.fixture(scope="session")
def host(host_name: str) -> Host:
    return over_ssh(host_name)


@pytest.fixture(scope="session")
def stack(host_name: str) -> HostStack:
    """What the site says of this host."""
    return lab().site.for_host(host_name)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """When a host test fails, add the last lines of our units' journals on that host."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    host = getattr(item, "funcargs", {}).get("host")
    if report.failed and report.when == "call" and isinstance(host, Host):
        said = host.run("journalctl -u 'livekit-*' -n 30 --no-pager -o short-iso").stdout
        report.sections.append(("journal of livekit-*", said))
