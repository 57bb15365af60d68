"""How good a way is: what is judged of a call's figures, and who is to blame, a rule of others or too few cores."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from livekit_metal.call.join_info import Announced
from livekit_metal.call.quality.figures import Figures
from livekit_metal.call.server import Node
from livekit_metal.core.check_result import CheckResult, Result, failed, from_json
from livekit_metal.core.types.quality import Quality
from livekit_metal.diagnosis.from_client import calls, quality
from livekit_metal.diagnosis.on_host import cores, rules
from livekit_metal.diagnosis.on_host.cores import Waits
from livekit_metal.diagnosis.root_cause import attribute
from livekit_metal.site.model import Site

GOOD = Figures(
    loss_up=0.0,
    loss_down=0.5,
    round_trip_ms=20.0,
    jitter_ms=4.0,
    rate_kbps=1900.0,
    sent_kbps=2100.0,
    whole=True,
    late_ms=2.0,
)
# As measured between two network namespaces: 15 % of packets dropped on the way back; 64 kbit/s up, by a queue
LOSSY = dataclasses.replace(GOOD, loss_down=15.2, rate_kbps=229.0, sent_kbps=1562.0, whole=False)
SLOW = dataclasses.replace(GOOD, round_trip_ms=670.0, jitter_ms=105.0, rate_kbps=61.0, sent_kbps=133.0, whole=False)


def judged(**ways: Figures) -> list[CheckResult]:
    measured = {way.replace("_", "-"): figures for way, figures in ways.items()}
    return attribute(quality.rows("lk2", "controller", measured, Quality()))


def causes(rows: Sequence[CheckResult]) -> list[str]:
    return [row.name for row in rows if row.result is Result.FAILED]


def test_good_ways_are_told_with_their_figures() -> None:
    rows = judged(udp=GOOD, tcp=dataclasses.replace(GOOD, round_trip_ms=25.0))
    assert {row.result for row in rows} == {Result.OK}
    said = {row.check: row.said for row in rows}
    assert said["loss"] == "0.0 % up, 0.5 % down by UDP, 0.0 % up, 0.5 % down by ICE over TCP"
    assert said["throughput"].startswith("1900 kbit/s and more by UDP")
    assert said["round-trip"] == "20 ms by UDP, 25 ms by ICE over TCP"


@pytest.mark.parametrize(
    ("figures", "cause", "words"),
    [
        (LOSSY, "loss lk2", "0.0 % up, 15.2 % down by UDP; sound stands 5 %"),
        (SLOW, "throughput lk2", "61 kbit/s up by UDP; a call needs 500"),
        (dataclasses.replace(SLOW, sent_kbps=1093.0), "throughput lk2", "61 kbit/s down by UDP"),
        (dataclasses.replace(GOOD, round_trip_ms=420.0, jitter_ms=60.0), "round-trip lk2", "420 ms by UDP; people"),
        (dataclasses.replace(GOOD, jitter_ms=60.0), "jitter lk2", "60 ms by UDP; clients' buffers take 50 ms"),
    ],
)
def test_of_faults_that_come_together_one_is_the_cause(figures: Figures, cause: str, words: str) -> None:
    rows = judged(udp=figures, tcp=GOOD)
    assert causes(rows) == [cause]
    (row,) = (row for row in rows if row.result is Result.FAILED)
    assert row.said.startswith(words)
    assert "TCP" not in row.said, "only ways that are bad are named"
    assert row.remedy


def test_a_call_that_does_not_get_through_a_slow_way_follows_from_it() -> None:
    silent = failed("turn-udp", "lk2", "controller", "no media by TURN over UDP", "open UDP of livekit.turn_udp")
    assert causes(attribute([*quality.rows("lk2", "controller", {"udp": SLOW}, Quality()), silent])) == [
        "throughput lk2"
    ]


def test_a_machine_that_is_late_itself_judges_no_times_but_counts_what_is_lost() -> None:
    late = {"late_ms": quality.LATE + 50}
    rows = {row.check: row for row in judged(udp=dataclasses.replace(SLOW, **late))}
    assert {rows[check].result for check in ("throughput", "round-trip", "jitter")} == {Result.NOTE}
    assert "came 80 ms late itself" in rows["jitter"].said
    assert causes(judged(udp=dataclasses.replace(LOSSY, **late))) == ["loss lk2"]


def test_thresholds_are_the_sites() -> None:
    lax = Quality(loss=20.0, rate_kbps=100.0)
    assert causes(quality.rows("lk2", "controller", {"udp": LOSSY}, lax)) == []


OTHERS = ("table inet others {", "chain i {", "type filter hook input priority -300; policy accept;")


def suspects(site: Site, *rules_of_it: str, head: Sequence[str] = OTHERS, host: str = "lk2") -> list[CheckResult]:
    stack = site.for_host(host)
    return list(rules.checks(host, stack.ports, "eth0", [*head, *rules_of_it]))


@pytest.mark.parametrize(
    ("rule", "blamed"),
    [
        ("udp dport 50000-60000 drop", {"udp", "turn-udp"}),
        ("udp dport { 443, 50500 } counter reject", {"udp"}),
        ("meta l4proto udp limit rate over 8 kbytes/second drop", {"udp", "loss", "throughput"}),
        ("meta l4proto { 6, 17 } th dport 50001 drop", {"udp"}),
        ("tcp dport 7881-7883 drop", {"tcp"}),
        ("udp dport 3478 drop", {"turn-udp"}),
        ('iifname "eth0" udp dport != 53 drop', {"udp"}),
        ("drop", {"udp", "tcp", "signalling"}),
        ("udp sport 50000-60000 drop", {"udp"}),
    ],
)
def test_a_rule_of_others_that_may_eat_media_is_named_with_its_table(
    cluster: Site, rule: str, blamed: set[str]
) -> None:
    (row,) = suspects(cluster, rule)
    assert (row.name, row.result, row.suspect) == ("rules lk2", Result.NOTE, True)
    assert f"nftables' table inet others, which is not ours, has in chain i: {rule}" in row.said
    assert "nft delete table inet others" in row.remedy
    assert blamed <= {*row.explains}
    assert ("tcp" in row.explains) == ("tcp" in blamed)


@pytest.mark.parametrize(
    "rule",
    [
        "tcp dport 22 drop",
        "udp dport 53 drop",
        "ip saddr @addr-set-sshd reject",
        "ct state invalid drop",
        'iifname "docker0" udp dport 50000-60000 drop',
        "icmp type echo-request drop",
        "udp dport 50000-60000 accept",
        'udp dport 53 drop comment "udp dport 50000-60000 drop"',
        "udp dport { 50000-60000 } accept\ndrop",
    ],
)
def test_a_rule_that_is_not_about_what_is_for_the_site_is_left_alone(cluster: Site, rule: str) -> None:
    explained = {each for row in suspects(cluster, *rule.splitlines()) for each in row.explains}
    assert "udp" not in explained


def test_what_only_passes_through_the_host_is_left_alone_and_what_is_jumped_to_is_not(cluster: Site) -> None:
    forward = ("table ip filter {", "chain FORWARD {", "type filter hook forward priority filter; policy drop;")
    assert suspects(cluster, "udp dport 50000-60000 drop", head=forward) == []
    head = ("table ip filter {", "chain mine {")
    assert suspects(cluster, "udp dport 50000-60000 drop", head=head) == [], "nobody leads there"
    led = (
        "udp dport 50000-60000 drop",
        "chain INPUT {",
        "type filter hook input priority 0; policy accept;",
        "jump mine",
    )
    (row,) = suspects(cluster, *led, head=head)
    assert "has in chain mine" in row.said


def test_a_suspect_is_the_cause_only_where_something_is_bad_that_nothing_else_explains(cluster: Site) -> None:
    (suspect,) = suspects(cluster, "udp dport 50000-60000 drop")
    silent = failed("udp", "lk2", "controller", "no media by UDP", "open it")
    relays = failed("turn-udp", "lk2", "controller", "no media by TURN over UDP", "open it")
    assert causes(attribute([suspect, silent, relays])) == ["rules lk2"]
    assert causes(attribute([suspect, dataclasses.replace(silent, about="lk3")])) == ["udp lk3"]
    assert causes(attribute([suspect, failed("tcp", "lk2", "controller", "no media by TCP", "open it")])) == ["tcp lk2"]
    stopped = failed("slot", "lk2", "lk2", "which is empty", "deploy")
    assert causes(attribute([suspect, stopped, silent])) == ["slot lk2"]
    (alone,) = attribute([suspect])
    assert alone.result is Result.NOTE
    assert from_json([dataclasses.asdict(suspect)]) == [suspect]


def test_turn_whose_own_port_answers_is_not_blamed_for_media_that_does_not_come() -> None:
    said = '{"ok": false, "no_media": true, "problems": ["call: connect: no; open"], "sent": 0, "back": 0}'
    told = Announced(Node(id="ND_a", version="1"), "room", (("192.0.2.12", 50000),), (), ())
    answers = "9 of 10 requests are answered at 192.0.2.12:3478"
    row = calls.judged(said, "turn-udp", "lk2", "controller", told, answers=answers)
    assert answers in row.said
    assert "livekit.turn_udp" not in row.remedy
    silent = failed("udp", "lk2", "controller", "no media by UDP", "open it")
    assert causes(attribute([row, silent])) == ["udp lk2"]
    assert causes(attribute([row])) == ["turn-udp lk2"]
    closed = calls.judged(said, "turn-udp", "lk2", "controller", told)
    assert "livekit.turn_udp" in closed.remedy
    assert causes(attribute([closed, silent])) == ["turn-udp lk2", "udp lk2"]


def test_a_way_by_which_anything_comes_back_is_not_called_closed() -> None:
    said = '{"ok": false, "no_media": true, "problems": ["call: connect: no; open"], "sent": 90, "back": 7}'
    told = Announced(Node(id="ND_a", version="1"), "room", (("192.0.2.12", 50000),), (), ())
    row = calls.judged(said, "udp", "lk2", "controller", told)
    assert "it is open: 7 packets came back for 90" in row.said
    assert "firewalls" not in row.remedy


def waits(site: Site, **after: int) -> CheckResult | None:
    before = Waits(pid=7, ran=0, waited=0, turns=0, ticks=0, idle=0, stolen=0, throttled=0)
    return cores.judged(site.for_host("lk2"), before, dataclasses.replace(before, **after))


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ({"throttled": 40}, "a quota held it back 40 times"),
        ({"stolen": 30}, "30% of the cores' time went to other machines"),
        ({"idle": 90}, "the cores were idle 90% of the time, so a quota holds it back"),
        ({}, "the cores are busy"),
    ],
)
def test_a_server_that_waits_for_a_core_is_a_suspect(cluster: Site, after: dict[str, int], words: str) -> None:
    row = waits(cluster, waited=50_000_000 * 100, turns=100, ticks=100, **after)
    assert row is not None
    assert row.said.startswith("livekit-server waited 50.0 ms for a core each time")
    assert words in row.said
    late = failed("jitter", "lk2", "controller", "60 ms", "see whose queue it is")
    assert causes(attribute([row, late])) == ["cores lk2"]
    assert causes(attribute([row])) == []


def test_a_server_that_gets_its_core_is_fine(cluster: Site) -> None:
    row = waits(cluster, waited=50_000 * 100, turns=100)
    assert row is not None
    assert row.result is Result.OK
    assert waits(cluster, pid=8) is None, "another process: nothing is known"
    assert Waits.read(["7 1 2 3", "100 50 0"]) == Waits(
        pid=7, ran=1, waited=2, turns=3, ticks=100, idle=50, stolen=0, throttled=0
    )
    assert Waits.read([]) is None
