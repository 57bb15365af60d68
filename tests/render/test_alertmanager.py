"""Alertmanager's files: read by amtool and systemd, compared with the site."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from livekit_metal.roles.alertmanager.settings import Settings
from livekit_metal.roles.alertmanager.tasks import _service
from livekit_metal.roles.prometheus.settings import Settings as Prometheus
from livekit_metal.roles.prometheus.tasks import _service as prometheus_service
from livekit_metal.runtime.host.files import File
from livekit_metal.site.model import Site
from livekit_metal.vault import references
from tests.support.values.sites import CLUSTER, MOVED, SINGLE

MakeSite = Callable[[dict[str, Any]], Site]
RECEIVERS = {
    "night": {"webhook_configs": [{"url": "https://pager.example/x"}]},
    "day": {
        "email_configs": [{"to": "ops@example.org", "from": "lk@example.org", "smarthost": "mail.example.org:587"}]
    },
    "watch": {"webhook_configs": [{"url": "https://watch.example/y"}]},
}


def telling(data: dict[str, Any], *hosts: str, **more: Any) -> dict[str, Any]:
    """``data`` with the role on some hosts."""
    data = copy.deepcopy(data)
    for host in hosts:
        data["hosts"][host]["roles"].append("alertmanager")
    data["alertmanager"] = {**data.get("alertmanager", {}), "receivers": RECEIVERS, **more}
    return data


def files(site: Site, host: str = "lk1") -> dict[str, File]:
    found = site.for_host(host).of(Settings)
    assert found is not None
    return {f.path.rsplit("/", 1)[1]: f for f in _service(found).all_files}


def config(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(files(site)["alertmanager.yml"].text)
    return found


def told(site: Site, tmp_path: Path, program: Callable[[str, str], str], *labels: str) -> list[str]:
    """The receivers that an alert with ``labels`` reaches, as amtool says."""
    path = tmp_path / "alertmanager.yml"
    path.write_text(files(site)["alertmanager.yml"].text)
    amtool = program("amtool", "prometheus-alertmanager")
    checked = subprocess.run([amtool, "check-config", path], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    command = [amtool, "config", "routes", "test", f"--config.file={path}", *labels]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().split(",")


def test_pages_tickets_and_the_dead_mans_switch_reach_whom_the_site_names(
    make_site: MakeSite, tmp_path: Path, program: Callable[[str, str], str]
) -> None:
    site = make_site(telling(SINGLE, "lk1", tickets="day", dead_man="watch"))
    assert told(site, tmp_path, program, "alertname=RedisDown", "severity=page", "host=lk1") == ["night"]
    assert told(site, tmp_path, program, "alertname=OldCode", "severity=ticket", "host=lk1") == ["day"]
    assert told(site, tmp_path, program, "alertname=DeadMansSwitch", "severity=none") == ["watch"]
    assert told(site, tmp_path, program, "alertname=InMaintenance", "severity=none", "host=lk1") == ["nobody"]


def test_with_one_receiver_it_gets_all_but_what_is_for_nobody(
    make_site: MakeSite, tmp_path: Path, program: Callable[[str, str], str]
) -> None:
    site = make_site(telling(SINGLE, "lk1") | {"alertmanager": {"receivers": {"ops": RECEIVERS["night"]}}})
    assert told(site, tmp_path, program, "alertname=OldCode", "severity=ticket") == ["ops"]
    assert told(site, tmp_path, program, "alertname=DeadMansSwitch", "severity=none") == ["nobody"]


def test_secrets_stand_in_its_file_alone_and_in_no_argument(make_site: MakeSite, tmp_path: Path) -> None:
    receivers = {"night": {"pagerduty_configs": [{"routing_key": {"secret": "alerts-duty"}}]}}
    data = telling(SINGLE, "lk1", receivers=receivers)
    data["prometheus"] = {"remote_write": [{"url": "https://tsdb.example", "authorization": _secret("metrics-tsdb")}]}
    site = stored(make_site, data, {"alerts-duty": "k3y-of-duty", "metrics-tsdb": "t0ken-of-tsdb"})
    made = files(site)
    assert made["alertmanager.yml"].secret
    assert made["alertmanager.yml"].mode == "640"
    (receiver,) = [r for r in config(site)["receivers"] if r["name"] == "night"]
    assert receiver["pagerduty_configs"] == [{"routing_key": "k3y-of-duty"}]
    assert "k3y-of-duty" not in made["livekit-alertmanager.service"].text
    own = site.for_host("lk1").of(Prometheus)
    assert own
    written = {f.path.rsplit("/", 1)[1]: f for f in prometheus_service(own).all_files}["prometheus.yml"]
    assert (written.secret, written.mode, "t0ken-of-tsdb" in written.text) == (True, "640", True)
    with pytest.raises(TypeError):
        json.dumps(own.vault)


def _secret(name: str) -> dict[str, Any]:
    return {"credentials": {"secret": name}}


def stored(make_site: MakeSite, data: dict[str, Any], secrets: dict[str, str]) -> Site:
    """The site, once its secrets file has these: by the commands that the message names."""
    plain = copy.deepcopy(data)
    plain.pop("prometheus", None)
    plain["alertmanager"] = {"receivers": RECEIVERS}
    vault = make_site(plain).vault
    assert vault
    for name, value in secrets.items():
        vault.set_password(name, value)
    vault.persist()
    return make_site(data)


def test_one_of_two_knows_the_other_and_one_alone_talks_to_nobody(make_site: MakeSite) -> None:
    alone = files(make_site(telling(SINGLE, "lk1")))["livekit-alertmanager.service"].text
    assert '--cluster.listen-address=""' in alone
    assert "--cluster.peer" not in alone
    site = make_site(telling(CLUSTER | MOVED, "lk1", "lk2"))
    unit = files(site)["livekit-alertmanager.service"].text
    assert "--cluster.listen-address=10.0.0.11:19094" in unit
    assert "--cluster.peer=10.0.0.12:19094\n" in unit
    assert "--web.listen-address=10.0.0.11:19093" in unit
    own = site.for_host("lk1").of(Prometheus)
    assert own
    assert own.alertmanagers == ("10.0.0.11:19093", "10.0.0.12:19093"), "Prometheus tells both"
    peers = {(p.proto, p.name) for p in site.ports("lk1") if p.owner == "alertmanager"}
    assert {name for _, name in peers} == {"web", "peer"}
    assert len(peers) == 3, "by TCP and UDP"


def test_the_unit_is_sound_and_tight(make_site: MakeSite, verify_unit: Callable[[str, str], float]) -> None:
    unit = files(make_site(telling(SINGLE, "lk1")))["livekit-alertmanager.service"].text
    assert verify_unit("livekit-alertmanager.service", unit) <= 2.0


def test_a_fault_that_explains_others_keeps_them_quiet(make_site: MakeSite) -> None:
    rules = config(make_site(telling(SINGLE, "lk1")))["inhibit_rules"]
    (redis,) = [r for r in rules if r["source_matchers"] == ['alertname="RedisDown"']]
    assert "JoinsFailing" in redis["target_matchers"][0]
    assert "equal" not in redis


@pytest.mark.parametrize("value", [{"a": [{"secret": "x"}]}, [({"secret": "x"},)]])
def test_names_are_found_at_any_depth(value: object) -> None:
    assert list(references.named(value)) == ["x"]
