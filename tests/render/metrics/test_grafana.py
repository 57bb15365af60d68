"""Grafana's files: read as it reads them, and compared with the site."""

from __future__ import annotations

import configparser
import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from livekit_metal.roles.grafana.settings import UNIT, Settings
from livekit_metal.roles.grafana.tasks import _dashboards, _service
from livekit_metal.runtime.host.files import File
from livekit_metal.site.model import Site
from tests.support.artifacts.grafana import archive
from tests.support.values.sites import SINGLE

MakeSite = Callable[[dict[str, Any]], Site]


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Any]:
    found = copy.deepcopy(SINGLE)
    found["hosts"]["lk1"]["roles"].append("grafana")
    file, sha256 = archive(tmp_path)
    found["grafana"] = {"file": file, "sha256": sha256}
    return found


def files(site: Site) -> dict[str, File]:
    own = site.for_host("lk1").of(Settings)
    assert own is not None
    return {f.path.rpartition("/")[2]: f for f in (*_service(own).all_files, *_dashboards(own))} | {
        f.path: f for f in _service(own).all_files
    }


def test_its_configuration_is_read_as_it_is_meant(data: dict[str, Any], make_site: MakeSite) -> None:
    data["grafana"] |= {"url": "https://grafana.example.org/", "extra": {"smtp": {"enabled": True, "host": "mx:25"}}}
    parsed = configparser.RawConfigParser()
    parsed.read_string(files(make_site(data))["grafana.ini"].text)
    assert parsed["server"]["http_addr"] == "127.0.0.1"
    assert parsed["server"]["root_url"] == "https://grafana.example.org/"
    assert parsed["security"]["admin_password"] == "$__file{/run/credentials/livekit-grafana.service/admin-password}"
    assert parsed["security"]["cookie_secure"] == "true"
    assert parsed["auth.anonymous"]["enabled"] == "false"
    assert (parsed["smtp"]["enabled"], parsed["smtp"]["host"]) == ("true", "mx:25")


def test_the_source_is_the_prometheus_beside_it(data: dict[str, Any], make_site: MakeSite) -> None:
    site = make_site(data | {"prometheus": {"port": 19090}})
    (source,) = yaml.safe_load(files(site)["/etc/livekit-metal/grafana/provisioning/datasources/livekit.yaml"].text)[
        "datasources"
    ]
    assert (source["type"], source["url"], source["isDefault"]) == ("prometheus", "http://127.0.0.1:19090", True)


def test_the_dashboards_are_where_the_provider_says(data: dict[str, Any], make_site: MakeSite) -> None:
    site = make_site(data)
    own = site.for_host("lk1").of(Settings)
    assert own is not None
    provider = yaml.safe_load(files(site)["/etc/livekit-metal/grafana/provisioning/dashboards/livekit.yaml"].text)
    folder = provider["providers"][0]["options"]["path"]
    shown = _dashboards(own)
    assert len(shown) == 8
    assert {f.path.rpartition("/")[0] for f in shown} == {folder}
    for file in shown:
        asks = {each["datasource"]["uid"] for each in json.loads(file.text)["panels"] if "datasource" in each}
        assert asks <= {"${source}", "-- Mixed --"} or all(uid.startswith("$") for uid in asks)


def test_systemd_takes_the_unit(data: dict[str, Any], make_site: MakeSite, tmp_path: Path) -> None:
    text = files(make_site(data))[UNIT].text
    (tmp_path / UNIT).write_text(text.replace("/opt/livekit/grafana", "/bin").replace("ExecStart=", "ExecStart=-"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / UNIT)], capture_output=True, text=True, check=False
    )
    assert "Unknown" not in done.stderr, done.stderr
    assert "NoNewPrivileges=yes" in text


def test_no_password_is_in_what_others_read(data: dict[str, Any], make_site: MakeSite) -> None:
    site = make_site(data)
    own = site.for_host("lk1").of(Settings)
    assert own is not None
    assert own.password is not None
    having = [f.path for f in _service(own).all_files if own.password.reveal() in f.text]
    assert having == [own.password_file]
