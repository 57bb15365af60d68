"""Fixtures of every folder of tests that has a lab deployed; a conftest.py imports those that its tests ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from testinfra.host import Host

from livekit_metal.call.access import Access
from livekit_metal.site.model import Site
from tests.support.calls.control import untouched_server
from tests.support.hosts.lab import Lab, lab, over_ssh


@pytest.fixture(scope="session", name="lab")
def the_lab() -> Lab:
    return lab()


@pytest.fixture(scope="session", name="site")
def the_site() -> Site:
    return lab().site


@pytest.fixture(scope="session", name="hosts")
def the_hosts() -> Mapping[str, Host]:
    """Every host over OpenSSH, in the order of a deploy."""
    return {name: over_ssh(name) for name in lab().site.hosts}


@pytest.fixture(scope="session", name="access")
def the_access() -> Access:
    return Access.load(lab().directory / "access.json")


@pytest.fixture(scope="session", name="control")
def the_control(lab: Lab) -> Iterator[Access]:
    """A server that no test touches: what befalls its calls, the machine did."""
    with untouched_server(lab) as found:
        yield found
