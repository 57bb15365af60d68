"""Every daemon in slots, on a host that has them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.runtime.slots.components import components
from livekit_metal.runtime.slots.daemon import SlottedDaemon
from livekit_metal.site.loading import every_role
from livekit_metal.site.model import Site
from tests.render.walked import everything

DAEMONS = [role.name for role in every_role() if role.slots]


@pytest.fixture(params=DAEMONS)
def daemon(
    request: pytest.FixtureRequest, make_site: Callable[[dict[str, Any]], Site], no_download: None
) -> SlottedDaemon[Any]:
    data = everything()
    data["ingress"]["process_list"] = "accept"  # what hides processes is no part of what slots do
    site = make_site(data)
    assert site.vault
    site.vault.set_password("sip-office", "a trunk of it asks for one")
    return components(site.for_host("lk1"))[request.param]
