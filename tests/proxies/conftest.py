"""The lab's site behind proxies of an operator's: nginx, HAProxy and Caddy themselves, on the lab's gateway."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.call.access import Access
from livekit_metal.site import inventory
from livekit_metal.site.model import Site
from livekit_metal.vault import certificates
from tests.online.conftest import _own_again  # noqa: F401 - a fixture: the site's own comes back
from tests.support.calls.sdkexit import pytest_sessionfinish, pytest_unconfigure  # noqa: F401 - hooks
from tests.support.calls.turn import told
from tests.support.hosts.deploys import deploy, merged, variant
from tests.support.hosts.lab import INVENTORY, Lab, lab
from tests.support.hosts.outside import Calling, where_names_lead
from tests.support.lab_fixtures import the_control, the_lab  # noqa: F401 - fixtures
from tests.support.programs.proxies import SITE, TURN, Behind, Ports, Proxy

KINDS = {"nginx": True, "haproxy": True, "caddy": False}  # whether the recipe uses the PROXY protocol for TURN
FIRST = lab().site.with_role("livekit")[0]


def pytest_report_header() -> str:
    found = lab()
    return f"lab: {found.directory} ({', '.join(found.site.hosts)}), site: {INVENTORY} behind proxies"


@dataclass(frozen=True)
class Proxied:
    """The site as it is deployed behind a running proxy, and the network that strangers come from."""

    lab: Lab
    site: Site
    settings: Mapping[str, Any]
    proxy: Proxy
    outside: str
    directory: Path

    @property
    def host(self) -> str:
        return self.site.hosts[FIRST].public_address

    @property
    def access(self) -> Access:
        return Access.of(self.site)

    def calls(self, seconds: int, *, over_tls: bool) -> Calling:
        """A call of strangers: signalling through the proxy, media as it likes or by TURN/TLS through it alone."""
        given: dict[str, Any] = {"access": asdict(self.access), "seconds": seconds, "relayed": over_tls}
        if over_tls:
            at = self.proxy.address
            servers = told(self.access, at=at)
            login = {"username": servers.username, "credential": servers.credential}
            given["tls"] = {"address": at, "name": TURN} | login
        return Calling(self.outside, given)

    def change(self, **settings: Any) -> Proxied:
        """Deploy the site as it is, but for ``settings``."""
        file = variant(self.directory, merged(self.settings, settings), f"changed{time.time_ns()}")
        done = deploy(file)
        assert done.status == 0, done.text
        return replace(self, site=inventory.read(file))


@pytest.fixture(scope="module", params=list(KINDS))
def proxied(request: pytest.FixtureRequest, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    kind, gateway = str(request.param), lab.facts["gateway"]
    directory = tmp_path_factory.mktemp(kind)
    directory.chmod(0o755)
    pems = {name: directory / f"{name}.pem" for name in (SITE, TURN)}
    ca = certificates.authority("tls-ca", "a private CA", time.time())
    for name, file in pems.items():
        file.write_text(certificates.leaf(ca, f"tls-{name}", (name,), 30, time.time()).pem.reveal())
    (directory / "ca.pem").write_text(ca.chain)
    settings = {
        "edge": {
            "tls": "off",
            "domain": SITE,
            "proxies": [f"{gateway}/32"],
            "turn_proxy_protocol": KINDS[kind],
            "ca_file": str(directory / "ca.pem"),
        },
        "livekit": {"turn": {"domain": TURN}},
    }
    file = variant(directory, settings)
    done = deploy(file)
    assert done.status == 0, done.text
    site = inventory.read(file)
    at, edge = site.hosts[FIRST].public_address, site.edge
    behind = Behind(edge=f"{at}:{edge.http}", turn=f"{at}:{edge.turn}")
    ports = Ports(address=gateway, https=443, http=80, web=18443, turn=18444)
    proxy = Proxy(kind, directory / "proxy", ports, behind, pems)
    try:
        with where_names_lead(lab, dict.fromkeys(("localhost.lab", SITE, TURN), gateway)) as outside:
            yield Proxied(lab, site, settings, proxy, outside, directory)
    finally:
        proxy.stop()
