"""What the prometheus role plans from what it sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from livekit_metal.core.ports import PortRange
from livekit_metal.roles.prometheus.settings import UNIT, Settings
from livekit_metal.roles.prometheus.tasks import _service, _stamped, activate
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.rolling import one_by_one
from livekit_metal.site.model import Site
from tests.roles.conftest import FakeRun
from tests.roles.wanted import as_wanted, look, names

RELOAD = [f"reload {UNIT}", f"{UNIT} answers"]
RESTART = [f"start {UNIT}", f"{UNIT} answers"]


@pytest.fixture
def prometheus(cluster: Site) -> Settings:
    found = cluster.for_host("lk1").prometheus
    assert found is not None
    return found


def host(settings: Settings, loaded: str | None = None) -> HostState:
    """A host where ``settings`` run; which configuration the process reports may differ."""
    wanted = _stamped(settings)
    said = f"__lkm_stamp: {wanted.stamp}" if loaded is None else loaded
    seen = as_wanted(_service(wanted), probes={"prometheus.loaded": [said] if said else []})
    seen.stat[settings.data] = ("750", "prometheus", "prometheus")
    return seen


def plan(settings: Settings, seen: HostState) -> list[str]:
    return names(activate(settings).plan(seen))


def test_a_fresh_host_gets_all_of_it(prometheus: Settings) -> None:
    assert plan(prometheus, HostState(answers={"prometheus.loaded": []})) == [
        f"make {prometheus.data}",
        "write livekit-prometheus.service, prometheus.yml, 40-limits.conf, 50-stamp.conf",
        f"enable {UNIT}",
        *RESTART,
    ]


def test_a_host_as_wanted_is_left_alone(prometheus: Settings) -> None:
    assert plan(prometheus, host(prometheus)) == []


def test_other_targets_are_a_reload(prometheus: Settings) -> None:
    fewer = dataclasses.replace(prometheus, targets=prometheus.targets[1:])
    todo = activate(fewer).plan(host(prometheus))
    assert (names(todo), todo.summary) == (["write prometheus.yml", *RELOAD], "reloaded")


def test_a_reload_lost_in_a_killed_deploy_is_made_up_for(prometheus: Settings) -> None:
    assert plan(prometheus, host(prometheus, "__lkm_stamp: lkm-0123456789abcdef")) == RELOAD
    assert plan(prometheus, host(prometheus, "")) == RELOAD


def test_a_file_changed_by_hand_is_put_back_and_read(prometheus: Settings) -> None:
    """Its stamp may be the same: what the process reports says nothing then."""
    seen = host(prometheus)
    seen.files[prometheus.config] = "another"
    assert plan(prometheus, seen) == ["write prometheus.yml", *RELOAD]


def test_another_retention_is_a_restart(prometheus: Settings) -> None:
    longer = dataclasses.replace(prometheus, retention_days=30)
    assert plan(longer, host(prometheus)) == ["write livekit-prometheus.service, 50-stamp.conf", *RESTART]


def test_another_port_is_a_restart_that_reads_the_targets_too(prometheus: Settings) -> None:
    moved = dataclasses.replace(prometheus, port=PortRange(9091, 9091))
    wanted = ["write livekit-prometheus.service, prometheus.yml, 50-stamp.conf", *RESTART]
    assert plan(moved, host(prometheus)) == wanted


def test_the_new_configuration_is_checked_before_it_is_in_place(
    fake_run: Callable[..., FakeRun], prometheus: Settings
) -> None:
    answer = look(host(dataclasses.replace(prometheus, interval=60)))
    done = fake_run(
        lambda: one_by_one("prometheus", activate(prometheus)), answer=lambda _h, c: answer if "sh -s" in c else ""
    )
    (write,) = [c for c in done.commands["lk1"] if "base64 -d" in c]
    assert f"promtool check config {prometheus.config}.lkm-" in write
    assert write.index("base64 -d") < write.index('eval "$check"') < write.index("mv -fT")
    assert [c for c in done.commands["lk1"] if "systemctl reload" in c]
    assert not [c for c in done.commands["lk1"] if "systemctl restart" in c]


def test_a_refused_reload_fails_the_host(fake_run: Callable[..., FakeRun], prometheus: Settings) -> None:
    answer = look(host(prometheus, "__lkm_stamp: lkm-0123456789abcdef"))

    def said(_host: str, command: str) -> str | None:
        if "sh -s" in command:
            return answer
        return None if "curl" in command else ""

    done = fake_run(lambda: one_by_one("prometheus", activate(prometheus)), answer=said)
    assert done.results["lk1"].word == "failed"
    assert f"waiting for: {prometheus.config} loaded (" in done.results["lk1"].why
