"""What the alertmanager role plans from what it sees, and what it says of a site."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.roles.alertmanager.settings import UNIT, Settings
from livekit_metal.roles.alertmanager.tasks import _service, activate
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.rolling import one_by_one
from livekit_metal.site.model import Site
from tests.roles.conftest import FakeRun
from tests.roles.wanted import as_wanted, look, names

RECEIVERS: dict[str, Any] = {"ops": {"webhook_configs": [{"url": "https://pager.example/x"}]}}
MakeSite = Callable[[dict[str, Any]], Site]


@pytest.fixture
def data(site_data: dict[str, Any]) -> dict[str, Any]:
    site_data["hosts"]["lk1"]["roles"].append("alertmanager")
    site_data["alertmanager"] = {"receivers": RECEIVERS}
    return site_data


@pytest.fixture
def own(data: dict[str, Any], make_site: MakeSite) -> Settings:
    found = make_site(data).for_host("lk1").of(Settings)
    assert found is not None
    return found


def host(settings: Settings) -> HostState:
    seen = as_wanted(_service(settings))
    seen.stat[settings.data] = ("750", "prometheus", "prometheus")
    return seen


def test_a_fresh_host_gets_all_of_it(own: Settings) -> None:
    assert names(activate(own).plan(HostState())) == [
        f"make {own.data}",
        "write livekit-alertmanager.service, alertmanager.yml, 40-limits.conf, 50-stamp.conf",
        f"enable {UNIT}",
        f"start {UNIT}",
        f"{UNIT} answers",
    ]


def test_a_host_as_wanted_is_left_alone(own: Settings) -> None:
    assert names(activate(own).plan(host(own))) == []


def test_another_receiver_is_a_restart(own: Settings) -> None:
    other = dataclasses.replace(own, receivers={"other": RECEIVERS["ops"]})
    todo = activate(other).plan(host(own))
    assert names(todo) == ["write alertmanager.yml, 50-stamp.conf", f"start {UNIT}", f"{UNIT} answers"]
    assert todo.summary == "restarted"


def test_the_new_configuration_is_checked_before_it_is_in_place(
    fake_run: Callable[..., FakeRun], own: Settings
) -> None:
    answer = look(HostState())
    done = fake_run(lambda: one_by_one("alert", activate(own)), answer=lambda _h, c: answer if "sh -s" in c else "")
    (write,) = [c for c in done.commands["lk1"] if "base64 -d" in c]
    assert f"amtool check-config {own.config_file}.lkm-" in write
    assert write.index('eval "$check"') < write.index("mv -fT")


def said(make_site: MakeSite, data: dict[str, Any]) -> str:
    with pytest.raises(SiteError) as refused:
        make_site(data)
    return str(refused.value)


def test_a_receiver_that_is_not_there_is_refused(data: dict[str, Any], make_site: MakeSite) -> None:
    data["alertmanager"]["pages"] = "opps"
    assert "alertmanager.pages: no receiver is called 'opps'; did you mean 'ops'?" in said(make_site, data)


def test_without_receivers_or_without_prometheus_it_is_refused(data: dict[str, Any], make_site: MakeSite) -> None:
    data["alertmanager"] = {}
    assert "alertmanager.receivers: is empty: nobody would be told" in said(make_site, data)
    data["alertmanager"] = {"receivers": RECEIVERS}
    data["hosts"]["lk1"]["roles"].remove("prometheus")
    assert "lk1 has the role alertmanager and none has prometheus" in said(make_site, data)


def test_a_secret_that_is_not_stored_is_refused_with_the_command_that_stores_it(
    data: dict[str, Any], make_site: MakeSite
) -> None:
    data["alertmanager"]["extra"] = {"global": {"smtp_auth_password": {"secret": "alerts-smtp"}}}
    assert (
        "alertmanager.receivers: there is no secret 'alerts-smtp'; "
        "store it: python -m procedures.secrets INVENTORY set alerts-smtp"
    ) in said(make_site, data)


def test_secrets_of_others_cannot_be_passed_through(data: dict[str, Any], make_site: MakeSite) -> None:
    data["alertmanager"]["extra"] = {"global": {"smtp_auth_password": {"secret": "redis"}}}
    assert "alertmanager: 'redis' is no secret of its own; call it alerts-NAME" in said(make_site, data)


def test_what_is_set_from_here_cannot_be_passed_through(data: dict[str, Any], make_site: MakeSite) -> None:
    data["alertmanager"]["extra"] = {"inhibit_rules": []}
    assert "alertmanager.extra.inhibit_rules: is set by livekit-metal" in said(make_site, data)
