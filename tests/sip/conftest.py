"""Phone calls to a lab that takes them (inventories/lab_media.py); with the stand-in, whatever needs no sound."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from livekit_metal.call.access import Access
from livekit_metal.site.model import Site
from tests.sip.phone import Line, Phone, talking
from tests.support.calls.sdkexit import pytest_sessionfinish, pytest_unconfigure  # noqa: F401 - hooks
from tests.support.hosts.deploys import Deploy, Told
from tests.support.hosts.lab import INVENTORY, Lab, first_with, lab, over_ssh
from tests.support.lab_fixtures import the_access, the_lab, the_site  # noqa: F401 - fixtures

STAND_IN = Path(__file__).parents[1] / "standins/livekit-sip"


def real() -> bool:
    """Whether the lab runs livekit-sip itself."""
    return Path(lab().site.sip.file) != STAND_IN


def pytest_report_header() -> str:
    found = lab()
    first_with("sip")  # the tests end here without one
    what = f"livekit-sip itself ({found.site.sip.file})" if real() else "the stand-in: no sound, no passwords"
    return f"lab: {found.directory} ({', '.join(found.site.hosts)}), site: {INVENTORY}, phone calls by {what}"


@pytest.fixture(scope="session")
def first() -> Host:
    """The first host that takes phone calls."""
    return over_ssh(first_with("sip"))


@pytest.fixture
def phone(site: Site, lab: Lab, tmp_path: Path) -> Callable[..., Phone]:
    """A call from the carrier's network to the first host; see :class:`Phone`."""
    settings = site.for_host(first_with("sip")).kamailio
    assert settings

    def ring(**more: Any) -> Phone:
        made = {"local": lab.facts["gateway"], "target": f"{settings.address}:{settings.port}"} | more
        return Phone(directory=tmp_path, **made)

    return ring


def deployed(inventory: str | Path = INVENTORY) -> Told:
    """A deploy that changes slots, with the time that takes on a busy machine."""
    return Deploy(inventory).end(within=400)


@contextlib.asynccontextmanager
async def up(access: Access, phone: Phone, room: str) -> AsyncIterator[Line | None]:
    """A call that is answered; with livekit-sip itself also heard in ``room``, and the room by the phone."""
    if real():
        async with talking(access, phone, room) as line:
            yield line
        return
    try:
        await phone.answered()
        yield None
    finally:
        phone.drop()
