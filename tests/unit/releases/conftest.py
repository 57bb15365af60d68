"""A site with every daemon, for what is told about their options."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.support.values.sites import PHONES, RECORDING, streaming


@pytest.fixture
def every(site_data: dict[str, Any]) -> dict[str, Any]:
    """A site with each daemon on its first host."""
    data = streaming(copy.deepcopy(site_data | {"egress": RECORDING} | PHONES))
    data["hosts"]["lk1"]["roles"] += ["egress", "sip"]
    return data
