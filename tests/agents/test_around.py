"""What happens around a worker: livekit-server changes, a job crashes, a worker is killed, somebody looks."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

from lab.run import wait_until
from livekit_metal.site.model import Site
from tests.agents.conftest import Change, Talking, deployed, served
from tests.support.calls import workers
from tests.support.calls.slots import ended, serving
from tests.support.hosts.deploys import Deploy, unchanging

_JOBS = "systemctl show -p ControlGroup --value livekit-agents-echo@{}"


def measured(host: Host, slot: str, metric: str, fleet: str = workers.ECHO) -> float:
    """What a worker has counted; 0 while it does not answer."""
    port = {workers.ECHO: 9610, workers.NODE: 9620}[fleet] + "abc".index(slot)
    return float(host.check_output(f"curl -sf 127.0.0.1:{port}/metrics | sed -n 's/^{metric} //p'") or 0)


@pytest.mark.usefixtures("back")
def test_a_change_of_livekit_server_loses_neither_conversation_nor_worker(
    talking: Talking, change: Change, first: Host, site: Site
) -> None:
    name, slot = next(iter(site.hosts)), workers.serving(first)
    before, worker = serving(site, name), workers.pid(first, slot)
    with talking() as oldest:
        deployed(change({"livekit": {"room": {"empty_timeout": 421}}}))
        assert serving(site, name) != before
        with talking() as other:
            served(other, talking)  # the worker is registered on the slot that drains
            other.unnoticed()
        oldest.unnoticed()
    ended(name, before.unit)
    with talking() as newest:
        served(newest, talking)  # and with its end on the new one
        newest.unnoticed()
    assert workers.pid(first, slot) == worker
    assert measured(first, slot, "livekit_agents_registrations_total") >= 2


def test_a_job_that_crashes_takes_nobody_with_it_and_is_seen(talking: Talking, first: Host) -> None:
    slot = workers.serving(first)
    lost, main = measured(first, slot, "livekit_agents_jobs_lost_total"), workers.pid(first, slot)
    with talking() as one:
        busy = set(_processes(first, slot))
        with talking() as other:
            (newest,) = workers.of_room(first, slot, other.conversation.room)
            assert newest in set(_processes(first, slot)) - {main}
            first.check_output(f"kill -9 {newest}")
            seen = wait_until(lambda: measured(first, slot, "livekit_agents_jobs_lost_total") > lost, 20, every=0.3)
            assert seen, "nobody has noticed"
        assert busy & set(_processes(first, slot))
        one.unnoticed()
    assert measured(first, slot, "livekit_agents_jobs_lost_total") == lost + 1
    said = first.check_output(f"journalctl -u livekit-agents-echo@{slot} -o cat --since -2min")
    asked = """curl -sG 127.0.0.1:9090/api/v1/query --data-urlencode 'query=ALERTS{alertname="AgentJobsLost"}'"""
    assert wait_until(lambda: '"component":"agents-echo"' in first.run(asked).stdout, 120, every=1), "nobody is told"
    assert "agents-echo has lost" in Deploy(plan="procedures/status.py").end().text
    assert any("a job was lost" in line and json.loads(line)["room"] for line in said.splitlines() if line[:1] == "{")


def _processes(host: Host, slot: str) -> list[int]:
    group = host.check_output(_JOBS.format(slot))
    return [int(line) for line in host.check_output(f"cat '/sys/fs/cgroup{group}/cgroup.procs'").split()]


def test_a_worker_that_is_killed_is_back_for_the_next_conversation(talking: Talking, first: Host) -> None:
    slot = workers.serving(first)
    before = workers.pid(first, slot)
    first.check_output(f"kill -9 {before}")
    asked = f"curl -sf -o /dev/null 127.0.0.1:{9610 + 'abc'.index(slot)}/"
    assert wait_until(lambda: first.run(asked).rc == 0, 60, every=0.3), "it is not registered again"
    assert workers.pid(first, slot) != before
    with talking() as talk:
        served(talk, talking)
        talk.unnoticed()
    unchanging()


def test_status_and_doctor_name_the_fleet_its_slots_and_its_jobs(talking: Talking, first: Host) -> None:
    slot = workers.serving(first)
    with talking():
        told = Deploy(plan="procedures/status.py")
        said = told.end().text
        assert "agents-echo" in said
        (line,) = [each for each in said.splitlines() if each.split()[:2] == [slot, "active"] and "1.8.9-" in each]
        assert line.split()[-1] == "1", "one job"
        assert f"go to slot {slot}" in said
        doctor = Deploy(plan="procedures/doctor.py").end().text
        rows = [each for each in doctor.splitlines() if "agents-echo" in each]
        assert any(f"slot {slot} answers, 1 jobs" in each for each in rows), doctor
        assert any("agents-echo-keys" in each and "one of the secrets file" in each for each in rows), doctor
