"""Every finding of preflight, from what a host answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from pyinfra.context import ctx_host

from roles._kit.change import Failed
from roles._kit.look import Seen
from roles._kit.plan import Part
from roles.preflight import tasks
from roles.preflight.findings import findings
from roles.preflight.settings import Settings
from stack.document import State
from stack.site import Site
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
    "python": [],
    "hairpin": [],
    "links": ["lo 127.0.0.1", "eth0 192.0.2.12", "eth1 10.0.0.12", "eth0 fe80::1"],
    "route6": [],
}


def host(**answers: list[str]) -> Seen:
    probed = {f"preflight.{name}": lines for name, lines in (SOUND | answers).items()}
    return Seen(probes=probed, asked=NOW - 0.1, answered=NOW + 0.1)


@pytest.fixture
def settings(cluster: Site) -> Settings:
    return cluster.on("lk2").preflight


def said(settings: Settings, seen: Seen, *in_run: str) -> list[tuple[str, bool]]:
    return [(str(f.problem), f.stops) for f in findings(settings, seen, in_run or ("lk1", "lk2", "lk3"))]


def test_a_sound_host_has_no_finding(settings: Settings) -> None:
    assert said(settings, host()) == []


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"os": ["fedora 43"]}, "lk2: os: is fedora 43; use Debian 12 or 13"),
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
            {
                "sockets": [
                    "tcp LISTEN 0 9 127.0.0.1:7880 0.0.0.0:* cgroup:/system.slice/livekit-redis-formerly.service"
                ]
            },
            "lk2: port: 7880/tcp of edge/http is where Redis is or was; move Redis first, and edge.http by a later "
            "deploy, when slots of before have ended",
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
    assert said(settings, host(os=["ubuntu 24.04"])) == [
        ("lk2: os: ubuntu 24.04 is rendered, not proved here; test it first", False)
    ]


def test_other_secrets_than_the_hosts_are_refused(settings: Settings) -> None:
    assert said(settings, host(fingerprint=[settings.fingerprint])) == []
    ((text, _),) = said(settings, host(fingerprint=["0123456789abcdef"]))
    assert text == (
        "lk2: secrets: the host was set up with other secrets (fingerprint 0123456789abcdef, here "
        f"{settings.fingerprint}); bring {settings.secrets_file} and its key from the machine that deployed last"
    )


@pytest.mark.parametrize(
    ("line", "fact", "remedy"),
    [
        (
            "9 0123456789abcdef",
            "{file} is older than what the host was deployed with (serial 5, there 9)",
            "bring the newest one: from version control (git pull), or from the machine that deployed last; "
            "--data secrets=older deploys this one all the same, and what was retired since is valid again",
        ),
        *(
            (
                f"{serial} fedcba9876543210",
                f"{{file}} (serial 5) and the file that the host was deployed with (serial {serial}) went apart",
                "each has changes that the other lacks; take both: python -m procedures.secrets INVENTORY unite FILE, "
                "where FILE is the other one; --data secrets=older deploys this one all the same",
            )
            for serial in (5, 4)
        ),
    ],
)
def test_an_older_secrets_file_is_refused_unless_it_is_asked_for(
    settings: Settings, line: str, fact: str, remedy: str
) -> None:
    state = State(5, "0123456789abcdef", {4: ("4444444444444444",)})
    settings = dataclasses.replace(settings, secrets=state)
    seen = host(fingerprint=[settings.fingerprint], serial=[line])
    text = f"lk2: secrets: {fact.format(file=settings.secrets_file)}; {remedy}"
    assert said(settings, seen) == [(text, True)]
    assert said(dataclasses.replace(settings, older_secrets=True), seen) == [(text, False)]


@pytest.mark.parametrize("line", ["", "5 0123456789abcdef", "4 4444444444444444", "2 2222222222222222"])
def test_the_newest_secrets_file_is_none_to_speak_of(settings: Settings, line: str) -> None:
    """Also where a host was not deployed for a while, or by a version that kept no serial."""
    settings = dataclasses.replace(settings, secrets=State(5, "0123456789abcdef", {4: ("4444444444444444",)}))
    assert said(settings, host(fingerprint=[settings.fingerprint], serial=[line] if line else [])) == []


def test_older_secrets_that_were_asked_for_are_the_newest_from_then_on(
    settings: Settings, cluster: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault, parts = cluster.vault, list[Part]()
    assert vault is not None
    vault.persist()
    monkeypatch.setattr(tasks, "stage", lambda part, name: parts.append(part))
    monkeypatch.setattr(tasks.context, "ctx_state", SimpleNamespace(get=lambda: SimpleNamespace(inventory=())))
    settings = dataclasses.replace(settings, secrets=vault.state)
    for older in (False, True):
        tasks.prepare(settings, vault, older_secrets=older)
    seen = host(fingerprint=[settings.fingerprint], serial=["9 0123456789abcdef"], peers=[])
    with pytest.raises(Failed, match=r"is older than what the host was deployed with \(serial 1, there 9\)"):
        parts[0].plan(seen)
    assert vault.coming.serial == 1
    assert "is older than" in parts[1].plan(seen).notes[0]
    assert vault.coming.serial == 10


def test_a_name_that_the_ca_may_not_sign_stops_a_deploy(settings: Settings) -> None:
    remedy = "make a CA that may: python -m procedures.secrets INVENTORY rotate ca, and do as it says"
    lacking = dataclasses.replace(settings, unsigned=("lk.example.org", "192.0.2.12"), named=True)
    fact = "the site's CA may not sign for lk.example.org: clients would refuse lk2"
    assert said(lacking, host()) == [(f"edge.tls: {fact}; {remedy}", True)]
    fact = "the site's CA may not sign for 192.0.2.12: lk2 is reached by name alone"
    assert said(dataclasses.replace(lacking, unsigned=("192.0.2.12",)), host()) == [
        (f"edge.tls: {fact}; {remedy}", False)
    ]
    unnamed = dataclasses.replace(settings, unsigned=("192.0.2.12",))
    ((text, stops),) = said(unnamed, host())
    assert "may not sign for 192.0.2.12: clients would refuse lk2" in text
    assert stops


def test_all_findings_of_all_hosts_come_together_and_nothing_is_changed(
    fake_run: Callable[..., FakeRun], cluster: Site
) -> None:
    answers = {"preflight.os": ["fedora 43"], "preflight.memory": ["1000"]}

    def answer(_host: str, command: str) -> str | None:
        if "sh -s" not in command:
            return None
        seen = host()
        lines = seen.probes | answers
        return "\n".join(f"#probe {name}\n" + "\n".join(text) for name, text in lines.items()) + "\n#end"

    done = fake_run(lambda: tasks.prepare(cluster.on(ctx_host.get().name).preflight), tuple(cluster.hosts), answer)
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
