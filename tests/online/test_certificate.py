"""Another certificate under a running call: new clients get it, nobody who talks notices."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from procedures.call import Access, Call, Report
from tests.control import untouched_server
from tests.deploys import deploy, variant
from tests.lab import Lab, lab
from tests.slots import pinned, serving
from tests.talk import unnoticed

FIRST = lab().site.with_role("livekit")[0]

pytestmark = pytest.mark.skipif(lab().site.edge.tls != "internal", reason="the site has no CA of its own")


@pytest.fixture
def another(tmp_path: Path, lab: Lab) -> Iterator[Path]:
    """The site with certificates of another life; its own come back in the end."""
    yield variant(tmp_path, {"edge": {"certificate_days": lab.site.edge.certificate_days - 1}})
    assert deploy().status == 0


def served(lab: Lab) -> str:
    """The certificate that a client who connects now gets."""
    return ssl.get_server_certificate((lab.site.hosts[FIRST].public_address, lab.site.edge.https.first))


def test_another_certificate_under_a_call_drops_nothing(access: Access, lab: Lab, another: Path) -> None:
    before, slot = served(lab), serving(lab.site, FIRST)
    reports: list[Report] = []

    async def scenario() -> None:
        with untouched_server(lab) as control:
            async with Call(control) as other, await pinned(access, slot.node, FIRST) as call:
                told = await asyncio.to_thread(deploy, another)
                assert told.status == 0, told.text
                assert served(lab) != before
                assert serving(lab.site, FIRST) == slot, "a certificate needs no other slot"
                async with Call(access) as new:
                    await new.where()
                reports.extend([await call.stop(), await other.stop()])

    asyncio.run(scenario())
    unnoticed(*reports)
