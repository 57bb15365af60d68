"""Every finding of preflight, from what a host answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from pyinfra.context import ctx_host

from livekit_metal.roles.preflight import tasks
from livekit_metal.roles.preflight.checks import findings
from livekit_metal.roles.preflight.settings import Settings
from livekit_metal.runtime.host.state import HostState
from livekit_metal.site.model import Site
from tests.roles.conftest import FakeRun

NOW = 1_000_000.0
SOUND = {
    "os": ["debian 12"],
    "kernel": ["6.1.0-18-amd64", "x86_64"],
    "init": ["systemd", "252"],
    "cores": ["4"],
    "hidepid": [],
    "memory": ["4000000"],
    "speed": ["1000"],
    "space": ["50000 /etc", "50000 /opt"],
    "clock": [f"{NOW:.3f}"],
    "sockets": [
        'tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=9,fd=3)) cgroup:/system.slice/ssh.service',
        'tcp LISTEN 0 128 127.0.0.1:6379 0.0.0.0:* users:(("redis",pid=8,fd=6)) '
        "cgroup:/system.slice/livekit-redis.service",
    ],
    "lasting": ["32768 60999"],
    "ufw": [],
    "in_force": [],
    "tunnels": ["links []"],
    "interfaces": ["lo", "eth0", "default eth0"],
    "chains": [
        "table ip nat {",
        "\tchain PREROUTING {",
        "\t\ttype nat hook prerouting priority dstnat; policy accept;",
    ],
    "addresses": ["127.0.0.1", "192.0.2.12", "10.0.0.12", "fe80::1"],
    "fingerprint": [],
    "serial": [],
    "units": ["livekit-edge.service active", "livekit-server@.service inactive"],
    "tools": [],
    "peers": ["lk1 answers", "lk3 answers"],
    "behind": [],
    "python": [],
    "hairpin": [],
    "links": ["lo 127.0.0.1", "eth0 192.0.2.12", "eth1 10.0.0.12", "eth0 fe80::1"],
    "route6": [],
}


def host(**answers: list[str]) -> HostState:
    probed = {f"preflight.{name}": lines for name, lines in (SOUND | answers).items()}
    return HostState(answers=probed, asked=NOW - 0.1, answered=NOW + 0.1)


@pytest.fixture
def settings(cluster: Site) -> Settings:
    return cluster.for_host("lk2").preflight


def said(settings: Settings, seen: HostState, *in_run: str) -> list[tuple[str, bool]]:
    return [(str(f.problem), f.stops) for f in findings(settings, seen, in_run or ("lk1", "lk2", "lk3"))]


def test_a_sound_host_has_no_finding(settings: Settings) -> None:
    assert said(settings, host()) == []


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"os": ["ubuntu 22.04"]}, "lk2: os: is ubuntu 22.04; use Debian 12 or 13"),
        ({"os": []}, "lk2: os: is unknown; use Debian 12 or 13"),
        ({"kernel": ["5.3.9", "x86_64"]}, "lk2: kernel: is 5.3.9; use 5.4 or newer"),
        (
            {"kernel": ["6.1.0", "aarch64"]},
            "lk2: architecture: is arm64, the inventory says amd64; set hosts.lk2.arch to 'arm64'",
        ),
        (
            {"kernel": ["6.1.0", "riscv64"]},
            "lk2: architecture: is riscv64, the inventory says amd64; use amd64 or arm64",
        ),
        ({"init": ["bash", ""]}, "lk2: init: is bash; boot the host with systemd 249 or newer"),
        ({"init": ["systemd", "247"]}, "lk2: init: is systemd 247; boot the host with systemd 249 or newer"),
        ({"tools": ["flock", "ss"]}, "lk2: programs: flock, ss missing; install a usual Debian server system"),
        (
            {"cores": ["4000"]},
            "livekit.media_udp: has 3333 ports per slot and the host 4000 cores (lk2); widen it: a slot binds one port "
            "for each core",
        ),
        ({"memory": ["512000"]}, "lk2: memory: is 500 MB; give it 900 MB (preflight.min_memory_mb)"),
        ({"space": ["100 /opt"]}, "lk2: disk: /opt has 100 MB left; free 2000 MB there (preflight.min_disk_mb)"),
        (
            {"clock": [f"{NOW + 7:.3f}"]},
            "lk2: clock: is 6.9 s off the controller's; from 5 s on nodes lose each other; synchronise both "
            "(timedatectl set-ntp true)",
        ),
        (
            {"clock": [f"{NOW - 7:.3f}"]},
            "lk2: clock: is 6.9 s off the controller's; from 5 s on nodes lose each other; synchronise both "
            "(timedatectl set-ntp true)",
        ),
        (
            {"addresses": ["127.0.0.1", "192.0.2.12", "172.17.0.1"]},
            "lk2: address: 10.0.0.12 is on no interface (there are: 192.0.2.12, 172.17.0.1); correct hosts.lk2.address "
            "or .cluster; behind NAT, address is the inner one",
        ),
        (
            {
                "sockets": [
                    'tcp LISTEN 0 9 0.0.0.0:7880 0.0.0.0:* users:(("nginx",pid=7,fd=3)) '
                    "cgroup:/system.slice/nginx.service"
                ]
            },
            "lk2: port: 7880/tcp of edge/http is taken by nginx (process 7); stop it, or move edge.http",
        ),
        (
            {"sockets": ["tcp LISTEN 0 9 127.0.0.1:7880 0.0.0.0:* cgroup:/system.slice/livekit-redis-forward.service"]},
            "lk2: port: 7880/tcp of edge/http is where Redis is or was; move Redis first, and edge.http by a later "
            "deploy, when earlier slots have ended",
        ),
        (
            {"sockets": ["udp UNCONN 0 0 [::]:50003 [::]:* cgroup:/user.slice/user-0.slice"]},
            "lk2: port: 50003/udp of livekit/media-a is taken by another process; stop it, or move livekit.media_udp",
        ),
        (
            {"sockets": ["tcp LISTEN 0 9 0.0.0.0:7880 0.0.0.0:* cgroup:/system.slice/livekit-own.service"]},
            "lk2: port: 7880/tcp of edge/http is taken by another process; stop it, or move edge.http",
        ),
        (
            {"ufw": ["ENABLED=yes"]},
            "lk2: firewall: ufw is active; two firewalls both have to accept a packet; `ufw disable` on the host: "
            "livekit-metal has its own",
        ),
        (
            {
                "chains": [
                    "table inet mine {",
                    "\tchain in {",
                    "\t\ttype filter hook input priority filter; policy drop;",
                ]
            },
            "lk2: firewall: nftables' table inet mine drops what it does not know; two firewalls both have to accept a "
            "packet; remove it (`nft delete table inet mine`, and what loads it at boot)",
        ),
        (
            {"peers": ["lk1 answers", "lk3 silent"]},
            "lk2: peer: lk3 does not answer at 10.0.0.13; check hosts.lk3.cluster, routing and firewalls between the "
            "hosts",
        ),
    ],
)
def test_a_finding_stops_and_says_what_to_do(settings: Settings, answers: dict[str, list[str]], expected: str) -> None:
    assert said(settings, host(**answers)) == [(expected, True)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("livekit-prometheus.service active", False, id="told and left alone"),
        pytest.param("livekit-redis.service active", True, id="a second Redis would split rooms"),
        pytest.param("livekit-redis.service inactive", False, id="its data has been moved"),
    ],
)
def test_a_unit_whose_role_has_moved_away(settings: Settings, line: str, expected: bool) -> None:
    ((text, stops),) = said(settings, host(units=[line]))
    unit = line.partition(" ")[0]
    assert text.startswith(f"lk2: units: {unit} is here and the site no longer has it here; move what it holds, then")
    assert stops is expected


def test_a_unit_that_the_deploy_ends_by_itself_is_nothing_to_be_told_of(settings: Settings) -> None:
    seen = host(units=["livekit-redispatch.service active"])
    assert said(dataclasses.replace(settings, ends=("livekit-redispatch.service",)), seen) == []


def test_a_service_that_flushes_our_table_is_told(settings: Settings) -> None:
    seen = host()
    seen.units["nftables.service"] = {"ActiveState": "active"}
    ((text, stops),) = said(settings, seen)
    assert text.startswith("lk2: firewall: nftables.service is active, and flushes every table, ours too,")
    assert not stops


def test_our_own_firewall_and_foreign_tables_that_accept_are_no_finding(settings: Settings) -> None:
    drop = "\t\ttype filter hook input priority filter; policy drop;"
    accept = "\t\ttype filter hook input priority filter; policy accept;"
    chains = ["table inet livekit_metal {", drop, "}", "table ip filter {", "\tchain INPUT {", accept]
    assert said(settings, host(chains=chains)) == []


def test_the_tables_of_ufw_are_not_told_beside_it(settings: Settings) -> None:
    chains = ["table ip filter {", "\t\ttype filter hook input priority filter; policy drop;"]
    ((text, _),) = said(settings, host(ufw=["ENABLED=yes"], chains=chains))
    assert "ufw is active" in text
    ((text, _),) = said(settings, host(chains=chains))
    assert "table ip filter drops" in text


def test_firewalld_is_refused(settings: Settings) -> None:
    seen = host()
    seen.units["firewalld.service"] = {"ActiveState": "active"}
    ((text, stops),) = said(settings, seen)
    assert text.startswith("lk2: firewall: firewalld is active;")
    assert stops


def test_ubuntu_passes_with_a_notice(settings: Settings) -> None:
    for version in ("24.04", "26.04"):
        note = f"lk2: os: ubuntu {version} is rendered, not proved here; test it first"
        assert said(settings, host(os=[f"ubuntu {version}"])) == [(note, False)]


def test_all_findings_of_all_hosts_come_together_and_nothing_is_changed(
    fake_run: Callable[..., FakeRun], cluster: Site
) -> None:
    answers = {"preflight.os": ["fedora 43"], "preflight.memory": ["1000"]}

    def answer(_host: str, command: str) -> str | None:
        if "sh -s" not in command:
            return None
        seen = host()
        lines = seen.answers | answers
        return "\n".join(f"#probe {name}\n" + "\n".join(text) for name, text in lines.items()) + "\n#end"

    done = fake_run(
        lambda: tasks.prepare(cluster.for_host(ctx_host.get().name).preflight), tuple(cluster.hosts), answer
    )
    assert done.failed
    assert {r.word for r in done.results.values()} == {"failed"}
    assert {h: len(c) for h, c in done.commands.items()} == dict.fromkeys(cluster.hosts, 1), "a look, and nothing else"


def test_a_media_port_that_no_slot_will_bind_is_worth_a_word_only(settings: Settings) -> None:
    """A client's socket may be there by chance, and a VPN's stays: with 4 cores a slot binds 4 ports."""
    ((text, stops),) = said(settings, host(sockets=["udp UNCONN 0 0 0.0.0.0:51820 0.0.0.0:*"]))
    assert text.startswith("lk2: port: 51820/udp of livekit/media-a is taken by another process;")
    assert not stops


def test_a_listener_on_both_families_is_told_once(settings: Settings) -> None:
    both = [f"tcp LISTEN 0 9 {a}:7880 {a}:* cgroup:/system.slice/nginx.service" for a in ("0.0.0.0", "[::]")]
    assert len(said(settings, host(sockets=both))) == 1
