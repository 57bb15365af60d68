"""Grafana (or what stands in for it) as it runs on a deployed host."""

from __future__ import annotations

import json
from typing import Any

import pytest
from testinfra.host import Host

from livekit_metal.roles.grafana.settings import PASSWORD, SOURCE, UNIT, Settings
from livekit_metal.roles.prometheus.dashboards.every import BOARDS
from livekit_metal.site.model import HostStack, Site


@pytest.fixture
def own(stack: HostStack) -> Settings:
    if (found := stack.of(Settings)) is None:
        pytest.skip(f"{stack.host} has no Grafana in this site")
    return found


def asked(host: Host, site: Site, own: Settings, path: str) -> Any:
    assert site.vault is not None
    login = f"admin:{site.vault.passwords(PASSWORD)[0].reveal()}"
    return json.loads(host.check_output("curl -fsS -u %s %s", login, f"http://{own.listen}{path}"))


def test_it_listens_on_loopback_alone(host: Host, own: Settings) -> None:
    lines = host.check_output("ss -Hltn 'sport = :%s'", str(own.port)).splitlines()
    assert [line.split()[3].rpartition(":")[0] for line in lines] == ["127.0.0.1"]


def test_nobody_gets_in_without_the_password(host: Host, own: Settings) -> None:
    said = host.check_output("curl -s -o /dev/null -w '%%{http_code}' http://%s/api/search", own.listen)
    assert said == "401"
    password = host.file(own.password_file)
    assert (password.mode, password.user) == (0o600, "root")
    assert host.check_output("systemctl show -P User %s", UNIT) == "grafana"


def test_it_has_every_dashboard_and_data_from_prometheus(host: Host, site: Site, own: Settings) -> None:
    found = {each["title"] for each in asked(host, site, own, "/api/search?type=dash-db")}
    assert {board.json["title"] for board in BOARDS} <= found
    (source,) = asked(host, site, own, "/api/datasources")
    assert source["uid"] == SOURCE
    data = asked(host, site, own, f"/api/datasources/proxy/uid/{SOURCE}/api/v1/query?query=up")
    assert data["data"]["result"], "Prometheus answers through it"


def test_what_was_unpacked_is_roots_and_has_no_rights_of_its_own(host: Host, own: Settings) -> None:
    bad = host.check_output("find %s/tree -perm /6000 -o -perm /022 -not -type l -o -not -user root", own.release)
    assert bad == ""
