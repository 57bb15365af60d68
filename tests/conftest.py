"""Sites for tests: made from plain data, as an inventory would, in a directory of the test's own."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.site import loading
from livekit_metal.site.model import Site
from livekit_metal.vault import key
from tests.support.values.sites import ALTERNATIVE, CERTIFIED, CLUSTER, MOVED, PHONES, SECURE, SINGLE, streaming


@pytest.fixture(autouse=True)
def forgotten_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that one test had in the environment is not there for the next."""
    monkeypatch.setattr(key, "_held", {})


@pytest.fixture
def site_data() -> dict[str, Any]:
    """Plain data of a sound site of three hosts; change it before make_site."""
    return copy.deepcopy(CLUSTER)


@pytest.fixture
def make_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], Site]:
    """Load a site from plain data. Raises SiteError as an inventory would end with it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))  # a test's keys never meet the operator's
    for name in ("LIVEKIT_METAL_KEY", "LIVEKIT_METAL_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    return lambda data: loading.load(data, "test", tmp_path)


_ANY = {"single": SINGLE, "cluster": CLUSTER, "alternative": ALTERNATIVE, "secure": SECURE}


@pytest.fixture(params=list(_ANY))
def any_site(request: pytest.FixtureRequest, make_site: Callable[[dict[str, Any]], Site]) -> Site:
    """One host, three hosts, one with every port and path moved, and the same over TLS."""
    return make_site(copy.deepcopy(_ANY[request.param]))


@pytest.fixture(params=["single", "cluster", "alternative"])
def streaming_site(request: pytest.FixtureRequest, make_site: Callable[[dict[str, Any]], Site]) -> Site:
    """The same, with ingress."""
    data = {"single": SINGLE, "cluster": CLUSTER, "alternative": ALTERNATIVE}[request.param]
    return make_site(streaming(copy.deepcopy(data)))


@pytest.fixture
def single(make_site: Callable[[dict[str, Any]], Site]) -> Site:
    return make_site(copy.deepcopy(SINGLE))


@pytest.fixture
def cluster(make_site: Callable[[dict[str, Any]], Site]) -> Site:
    return make_site(copy.deepcopy(CLUSTER))


@pytest.fixture
def alternative(make_site: Callable[[dict[str, Any]], Site]) -> Site:
    """Every port and path moved: what is hard-coded fails here."""
    return make_site(copy.deepcopy(ALTERNATIVE))


@pytest.fixture
def certified(make_site: Callable[[dict[str, Any]], Site]) -> Site:
    """The moved site over TLS, with certificates by ACME."""
    return make_site(copy.deepcopy(CERTIFIED))


@pytest.fixture(params=["default", "moved"])
def phones(request: pytest.FixtureRequest, make_site: Callable[[dict[str, Any]], Site]) -> Site:
    """A site whose host lk1 takes phone calls, with the default ports and with every port and path moved."""
    data = copy.deepcopy(SINGLE | PHONES)
    data["hosts"]["lk1"]["roles"].append("sip")
    if request.param == "moved":
        data = {**data, **copy.deepcopy(MOVED), "sip": {**data["sip"], **copy.deepcopy(MOVED["sip"])}}
    site = make_site(data)
    assert site.vault
    site.vault.set_password("sip-office", "pass:word")
    return site
