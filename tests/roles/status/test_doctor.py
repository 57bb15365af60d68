"""The doctor's judgement: what a look at a host tells, and which failure explains which."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from livekit_metal.core.check_result import CheckResult, Result, failed, status
from livekit_metal.diagnosis.on_host import checks
from livekit_metal.diagnosis.root_cause import attribute
from livekit_metal.roles.livekit.generation import keys_file
from livekit_metal.roles.prometheus import doctor
from livekit_metal.runtime.host.state import HostState
from livekit_metal.site.model import Site
from tests.roles.preflight.test_preflight import NOW, SOUND

HOSTS = ("lk1", "lk2", "lk3")


def slot(site: Site, **words: str) -> list[str]:
    livekit = site.for_host("lk2").livekit
    assert livekit is not None
    said = {
        "state": "active",
        "stamp": "abc",
        "release": f"/opt/livekit/livekit-server/{livekit.release}-0123456789ab",
        "http": "200",
        "node": "ND_two",
        "node_ip": "192.0.2.12",
        "keys": hashlib.sha256(keys_file(livekit).encode()).hexdigest(),
    } | words
    return ["active a", *(f"a {word} {value}" for word, value in said.items()), "end"]


def haproxy(up: Mapping[str, str] | None = None, active: str = "a") -> list[str]:
    states = {"livekit_a/local": "2", "peers/lk1": "2", "peers/lk3": "2"} | (up or {})
    rest = "0 1 1 9 15 3 3 6 0 0 0 - 7890 - 0 0 - - 0"
    servers = [f"4 {name.replace('/', ' 1 ')} 127.0.0.1 {state} {rest}" for name, state in states.items()]
    return ["Name: HAProxy", f"0x55 livekit {active}", "1", *servers]


def look(site: Site, **answers: list[str]) -> HostState:
    sound = {f"preflight.{name}": lines for name, lines in SOUND.items()}
    own = {
        "doctor.conntrack": ["500", "262144"],
        "doctor.link": ["eth0 1500"],
        "doctor.bus": ["said +PONG"],
        "doctor.rules": [],
        "doctor.waits": [],
        "doctor.edge": haproxy(),
        "maintenance": [],
        "livekit.occupancy": slot(site),
    }
    given = {name.replace("__", "."): lines for name, lines in answers.items()}
    return HostState(answers=sound | own | given, asked=NOW - 0.1, answered=NOW + 0.1)


def bad(site: Site, **answers: list[str]) -> list[str]:
    found = checks.of(site.for_host("lk2"), frozenset(HOSTS), {}, look(site, **answers))
    return [f"{row.name}: {row.said}; {row.remedy}" for row in found.rows if row.result is Result.FAILED]


def test_a_sound_host(cluster: Site) -> None:
    found = checks.of(cluster.for_host("lk2"), frozenset(HOSTS), {}, look(cluster))
    assert {row.result for row in found.rows} == {Result.OK}
    names = [row.check for row in found.rows]
    assert names == [
        *("reach", "preflight", "conntrack", "old-code", "mtu", "bus", "slot", "node_ip", "version", "keys", "edge"),
    ]
    assert found.node == "ND_two"


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"preflight__clock": [str(NOW + 9)]}, "clock lk2: is 8.9 s off the controller's"),
        (
            {"preflight__peers": ["lk1 answers", "lk3 drops"]},
            "peer lk3: lk3 is there and drops what comes to port 7870",
        ),
        ({"doctor__conntrack": ["262140", "262144"]}, "conntrack lk2: the firewall's table of connections is full"),
        ({"doctor__link": ["eth0 1000"]}, "mtu lk2: eth0 takes packets of 1000 bytes, video needs 1280"),
        ({"doctor__bus": ["closed Connection timed out"]}, "bus lk2: no way from here to Redis at 10.0.0.11:6379"),
        ({"doctor__bus": ["refused -WRONGPASS x"]}, "bus lk2: Redis at 10.0.0.11:6379 refuses the site's password"),
        ({"doctor__bus": []}, "bus lk2: no way from here to Redis at 10.0.0.11:6379 (no answer)"),
        ({"doctor__edge": []}, "edge lk2: HAProxy does not answer"),
        (
            {"doctor__edge": haproxy(active="b")},
            "edge lk2: HAProxy sends new sessions to slot b, the active file says a",
        ),
        ({"doctor__edge": haproxy({"livekit_a/local": "0"})}, "edge lk2: HAProxy takes slot a for dead"),
        ({"doctor__edge": haproxy({"peers/lk3": "0"})}, "backup lk3: HAProxy gets no session through the edge of lk3"),
    ],
)
def test_one_cause_is_one_row(cluster: Site, answers: dict[str, list[str]], said: str) -> None:
    (only,) = bad(cluster, **answers)
    assert only.startswith(said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"state": "inactive"}, "slot lk2: new sessions go to slot a, which is empty"),
        ({"state": "deactivating"}, "slot lk2: new sessions go to slot a, which is draining"),
        ({"http": "406"}, "slot lk2: slot a says HTTP 406 (cut off from Redis)"),
        ({"http": "000"}, "slot lk2: slot a says HTTP 000 (it does not answer)"),
        ({"node_ip": "172.17.0.1"}, "node_ip lk2: slot a tells clients to send media to 172.17.0.1"),
        ({"release": "/opt/x/1.0.0-0123456789ab"}, "version lk2: slot a runs 1.0.0, the inventory says"),
        ({"keys": "0" * 64}, "keys lk2: slot a has other API keys than the secrets file"),
    ],
)
def test_what_a_slot_says(cluster: Site, words: dict[str, str], said: str) -> None:
    (only,) = bad(cluster, livekit__occupancy=slot(cluster, **words))
    assert only.startswith(said)


def test_a_build_that_the_lock_does_not_know(cluster: Site) -> None:
    livekit = cluster.for_host("lk2").livekit
    assert livekit is not None
    lock = Path(livekit.lock_file)
    entry = {"go": "go1", "size": 1, "sha256": "0123456789ab" + "0" * 52}
    name = f"livekit-server {livekit.release} module linux/amd64"
    lock.write_text(json.dumps({name: entry}))
    assert bad(cluster) == []
    lock.write_text(json.dumps({name: entry | {"sha256": "f" * 64}, "livekit-server 1.0.0 module": entry}))
    (only,) = bad(cluster)
    assert only.startswith("version lk2: slot a runs")
    assert "a build that" in only


def test_a_host_without_any_slot(cluster: Site) -> None:
    (only,) = bad(cluster, livekit__occupancy=["end"], doctor__edge=haproxy(active=""))
    assert only.startswith("slot lk2: new sessions go to no slot of this host; deploy")


def test_a_host_in_maintenance_is_a_note_and_a_cause(cluster: Site) -> None:
    empty = {"livekit__occupancy": ["end"], "doctor__edge": haproxy(active="")}
    seen = look(cluster, maintenance=['{"who": "anna", "why": "disk"}'], **empty)
    found = checks.of(cluster.for_host("lk2"), frozenset(HOSTS), {}, seen)
    (note,) = (row for row in found.rows if row.result is not Result.OK)
    assert (note.check, note.result) == ("slot", Result.NOTE)
    assert "anna: disk" in note.said
    judged = attribute([*found.rows, failed("backup", "lk2", "lk1", "no session", "see lk2")])
    assert status(judged) == 0
    assert judged[-1].because == "slot lk2"


REFUSED = 'Get "http://192.0.2.11:9100/metrics": dial tcp 192.0.2.11:9100: connect: connection refused'


def judged_targets(site: Site, known: Mapping[str, str], now: str) -> list[CheckResult]:
    """The rows when Prometheus says ``known`` of the first target and a look finds ``now`` there; the rest is well."""
    prometheus = site.for_host("lk1").prometheus
    assert prometheus is not None
    urls = [f"http://{target.endpoint}{target.path}" for target in prometheus.targets]
    told = [{"scrapeUrl": url, "health": "up", "lastError": ""} for url in urls]
    told[0] |= known
    probes = {
        "doctor.targets": [json.dumps({"data": {"activeTargets": told}})],
        "doctor.answers": [f"{urls[0]} {now}", *(f"{url} 200 " for url in urls[1:])],
    }
    stack = site.for_host("lk1")
    return list(doctor.checks(stack, stack.prometheus, HostState(answers=probes)))


@pytest.mark.parametrize(
    ("known", "now", "why"),
    [
        # a scrape is up to its interval old: what is there now decides
        ({}, "000 Failed to connect to 192.0.2.11", "Failed to connect to 192.0.2.11"),
        ({"health": "down", "lastError": REFUSED}, "000 Failed to connect", "Failed to connect"),
        ({}, "503 ", "HTTP 503"),
        ({}, "", "HTTP 000"),
        # but not about what Prometheus cannot read
        ({"health": "down", "lastError": "invalid metric type"}, "200 ", "invalid metric type"),
        ({"health": "down", "lastError": "data does not end with # EOF"}, "200 ", "data does not end with # EOF"),
        ({"scrapeUrl": "http://192.0.2.99/"}, "200 ", "Prometheus does not know of it"),
    ],
)
def test_a_target_without_metrics(single: Site, known: dict[str, str], now: str, why: str) -> None:
    (row,) = judged_targets(single, known, now)
    assert (row.name, row.result) == ("targets lk1", Result.FAILED)
    assert row.said == f"no metrics of node on lk1: {why}"


@pytest.mark.parametrize("health", ["up", "unknown"])
def test_targets_that_are_there(single: Site, health: str) -> None:
    (row,) = judged_targets(single, {"health": health}, "200 ")
    assert (row.name, row.result) == ("targets", Result.OK)


@pytest.mark.parametrize(
    "last", [REFUSED, "server returned HTTP status 503", 'Get "http://x": context deadline exceeded']
)
def test_a_target_that_came_after_the_last_scrape_is_a_note(single: Site, last: str) -> None:
    (row,) = judged_targets(single, {"health": "down", "lastError": last}, "200 ")
    assert (row.name, row.result) == ("targets lk1", Result.NOTE)
    assert last in row.said


def test_a_prometheus_that_does_not_answer(single: Site) -> None:
    stack, silent = single.for_host("lk1"), HostState(answers={"doctor.targets": [], "doctor.answers": []})
    (mute,) = doctor.checks(stack, stack.prometheus, silent)
    assert mute.said == "Prometheus does not answer"
