"""What a real Kamailio of the tests runs with."""

from __future__ import annotations

import copy

import pytest

from livekit_metal.roles.kamailio.settings import Settings
from livekit_metal.site.loading import load
from tests.support.values.sites import PHONES, SINGLE


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    directory = tmp_path_factory.mktemp("site")
    data = copy.deepcopy(SINGLE | PHONES)
    data["hosts"]["lk1"]["roles"].append("sip")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(directory))
        for name in ("LIVEKIT_METAL_KEY", "LIVEKIT_METAL_KEY_FILE"):
            patch.delenv(name, raising=False)
        found = load(data, "test", directory).for_host("lk1").kamailio
    assert found
    return found
