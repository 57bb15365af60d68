"""What preflight makes of the other hosts: there, silent, or behind a firewall."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from livekit_metal.roles.preflight.queries import probes
from livekit_metal.roles.preflight.settings import Peer, Settings
from livekit_metal.site.model import Site
from tests.roles.preflight.test_preflight import host, said


@pytest.fixture
def settings(cluster: Site) -> Settings:
    return cluster.for_host("lk2").preflight


def test_a_silent_peer_outside_the_run_stops_nothing(settings: Settings) -> None:
    ((_, stops),) = said(settings, host(peers=["lk1 silent", "lk3 answers"]), "lk2")
    assert not stops


def test_a_peer_whose_rules_do_not_know_this_host_yet_stops_nothing(settings: Settings) -> None:
    """Else no host could join a cluster that is deployed."""
    assert said(settings, host(peers=["lk1 drops", "lk3 answers"])) == [
        (
            "lk2: peer: lk1 is there and drops what comes to port 7870; a deploy of lk1 opens it, unless another "
            "firewall is between the hosts",
            False,
        )
    ]


def test_each_peer_is_knocked_at_where_its_firewall_lets_this_host_in(make_site: Callable[..., Site]) -> None:
    def at(number: int, *roles: str) -> dict[str, object]:
        return {"address": f"192.0.2.{number}", "roles": list(roles)}

    hosts = {"one": at(1, "livekit"), "two": at(2, "livekit"), "data": at(3, "redis"), "watch": at(4, "prometheus")}
    site = make_site({"hosts": hosts})
    knocks = {name: {p.name: p.port for p in site.for_host(name).preflight.peers} for name in hosts}
    assert knocks["one"] == {"two": 7870, "data": 6379}
    assert knocks["data"] == {}
    assert knocks["watch"] == {"one": 9100, "two": 9100, "data": 9100}


def test_of_a_large_site_every_host_asks_a_few_and_is_asked_by_a_few(make_site: Callable[..., Site]) -> None:
    """And not every host every other: that is 9900 knocks of 100 hosts."""
    hosts: dict[str, object] = {
        f"lk{number}": {
            "address": f"192.0.2.{number}",
            "roles": ["livekit", *(["redis", "prometheus"] if number == 1 else [])],
        }
        for number in range(1, 101)
    }
    site = make_site({"hosts": hosts})
    knocks = {name: site.for_host(name).preflight.peers for name in hosts}
    assert {peer.name for peer in knocks["lk1"]} == set(hosts) - {"lk1"}, "what Prometheus scrapes"
    assert [peer.name for peer in knocks["lk99"]] == ["lk1", "lk100", "lk2"]
    asked = Counter(peer.name for name in hosts if name != "lk1" for peer in knocks[name])
    assert asked["lk1"] == 99, "everybody needs Redis"
    assert all(2 <= asked[name] <= 3 for name in hosts if name != "lk1")


def test_a_peer_that_answers_late_is_not_blamed(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first time a busy machine takes too long."""
    (tmp_path / "timeout").write_text(
        '#!/bin/sh\necho "$1" >>"$0.came"; [ "$(wc -l <"$0.came")" = 1 ] && exit 124; shift; exec "$@"\n'
    )
    (tmp_path / "ping").write_text("#!/bin/sh\nexit 0\n")
    for name in ("timeout", "ping"):
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with socket.create_server(("127.0.0.1", 0)) as server:
        peers = (Peer(name="late", address="127.0.0.1", port=server.getsockname()[1]),)
        text = dict(probes(dataclasses.replace(settings, peers=peers)))["preflight.peers"]
        answer = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False, timeout=60).stdout
    assert answer == "late answers\n"
    assert (tmp_path / "timeout.came").read_text().split() == ["1.4", "4.2"], "it has three times as long then"


# Two peers are asked by ping: it answers only when both are.
_PING = """#!/bin/sh
echo >>"$0.came"; until [ "$(wc -l <"$0.came")" = 2 ]; do sleep 0.05; done; exit {}
"""


@pytest.mark.parametrize(("pings", "expected"), [(True, "drops"), (False, "silent")])
def test_a_knock_tells_an_answer_from_silence(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pings: bool, expected: str
) -> None:
    """The shell text itself, for all peers at once.

    A refusal is an answer; what an address that nobody has (RFC 6666) says is ping's say.
    """
    ping = tmp_path / "ping"
    ping.write_text(_PING.format(int(not pings)))
    ping.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        peers = (
            Peer(name="open", address="127.0.0.1", port=port),
            Peer(name="closed", address="127.0.0.1", port=1),
            Peer(name="nowhere", address="100::1", port=port),
            Peer(name="nobody", address="100::2", port=port),
        )
        text = dict(probes(dataclasses.replace(settings, peers=peers)))["preflight.peers"]
        answer = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False, timeout=60).stdout
    found = ["closed answers", f"nobody {expected}", f"nowhere {expected}", "open answers"]
    assert sorted(answer.splitlines()) == found, "all at once: else the first ping would wait for ever"


@pytest.mark.parametrize("alone", [True, False])
def test_a_host_alone_knocks_nowhere(
    single: Site, cluster: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, alone: bool
) -> None:
    """No program is started that could: with peers, the same programs take notes."""
    for name in ("bash", "timeout", "ping", "nc", "curl", "perl"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*" >>"{tmp_path}/notes"\nexit 1\n')
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    settings = (single if alone else cluster).for_host("lk1").the(Settings)
    text = dict(probes(settings))["preflight.peers"]
    answer = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True, timeout=60).stdout
    notes = tmp_path / "notes"
    if alone:
        assert (answer, notes.exists()) == ("", False)
    else:
        assert all(address in notes.read_text() for address in ("10.0.0.12", "10.0.0.13"))
