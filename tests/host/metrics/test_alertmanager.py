"""Alertmanager as it runs on a deployed host."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

from livekit_metal.roles.alertmanager.settings import Settings
from livekit_metal.site.model import HostStack, Site


@pytest.fixture
def own(stack: HostStack) -> Settings:
    if (found := stack.of(Settings)) is None:
        pytest.skip(f"{stack.host} has no Alertmanager in this site")
    return found


def test_it_listens_for_the_cluster_only_and_on_loopback_where_there_is_none(
    host: Host, site: Site, stack: HostStack, own: Settings
) -> None:
    lines = host.check_output("ss -Hltn 'sport = :%s'", str(own.port)).splitlines()
    assert [line.split()[3].rpartition(":")[0].strip("[]") for line in lines] == [site.inside(stack.host)]


def test_it_is_ready_and_talks_to_others_only_where_there_are_some(host: Host, own: Settings) -> None:
    status = json.loads(host.check_output("curl -fsS http://%s/api/v2/status", own.listen))
    assert status["cluster"]["status"] == ("ready" if own.clustered else "disabled")


def test_its_secrets_are_for_it_alone(host: Host, own: Settings) -> None:
    there = host.file(own.config_file)
    assert (there.mode, there.user, there.group) == (0o640, "root", "prometheus")
