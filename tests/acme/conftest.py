"""ACME against a real server (pebble): a lab with TLS whose hosts get certificates from it while these tests run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.site import inventory
from livekit_metal.site.model import Site
from tests.acme.served import lead
from tests.online.conftest import _own_again  # noqa: F401 - a fixture: the site's own comes back
from tests.support.calls.sdkexit import pytest_sessionfinish, pytest_unconfigure  # noqa: F401 - hooks
from tests.support.hosts.deploys import Told, deploy, variant
from tests.support.hosts.lab import INVENTORY, Lab, lab
from tests.support.lab_fixtures import the_control, the_lab  # noqa: F401 - fixtures
from tests.support.programs.pebble import Pebble, running


def pytest_report_header() -> str:
    found = lab()
    return f"lab: {found.directory} ({', '.join(found.site.hosts)}), site: {INVENTORY} with certificates from pebble"


@dataclass(frozen=True)
class Deployed:
    """The lab's site with ACME: its inventory, what it says, what the deploy said."""

    inventory: Path
    site: Site
    told: Told


@pytest.fixture(scope="session")
def pebble(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pebble]:
    """The server."""
    with running(lab.facts["gateway"], tmp_path_factory.mktemp("pebble")) as found:
        lead(found, lab.site)
        yield found


MakeSite = Callable[..., Deployed]


@pytest.fixture(scope="session")
def deployed(pebble: Pebble, tmp_path_factory: pytest.TempPathFactory) -> MakeSite:
    """Deploys the lab's site with certificates from pebble, and changes to how it gets them."""

    def make(**acme: Any) -> Deployed:
        settings = {"email": "ops@example.org", "directory": pebble.directory, "ca_file": str(pebble.trusted)} | acme
        file = variant(tmp_path_factory.mktemp("site"), {"edge": {"tls": "acme"}, "acme": settings})
        told = deploy(file)
        assert told.status == 0, told.text
        return Deployed(file, inventory.read(file), told)

    return make


@pytest.fixture(scope="module")
def acme(deployed: MakeSite) -> Deployed:
    """The site as it is usually deployed."""
    return deployed()
