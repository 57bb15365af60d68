"""The way by which a deploy comes: what carries it must be open by the new rules, and is judged afresh."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from typing import Any

import pytest

from livekit_metal.core.foreign import Opening
from livekit_metal.core.ports import PortRange
from livekit_metal.roles.firewall.settings import Settings
from livekit_metal.roles.firewall.tasks import activate
from livekit_metal.roles.firewall.way_in import NAME, QUERY, Carriers, carriers, fresh_table, refused, way_in
from livekit_metal.runtime.host import ssh
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.state import HostState
from livekit_metal.runtime.run.rolling import one_by_one
from livekit_metal.site.model import Site
from tests.roles.conftest import FakeRun
from tests.roles.firewall.test_firewall import fresh, steps_of
from tests.roles.wanted import look

SPAN = "span 32768 60999"
SSHD = 'socket tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=37,fd=3)) cgroup:/system.slice/ssh.service'
KERNEL = "socket udp UNCONN 0 0 0.0.0.0:41194 0.0.0.0:* cgroup:unreachable:1"
GO = 'socket udp UNCONN 0 0 0.0.0.0:41194 0.0.0.0:* users:(("wireguard-go",pid=386,fd=17)) cgroup:/system.slice/t'
OVPN = 'socket tcp LISTEN 0 9 0.0.0.0:1194 0.0.0.0:* users:(("openvpn",pid=9,fd=7)) cgroup:/system.slice/o.service'
MANAGE = 'socket tcp LISTEN 0 9 127.0.0.1:7505 0.0.0.0:* users:(("openvpn",pid=9,fd=8)) cgroup:/system.slice/o.service'
RESOLVER = 'socket udp UNCONN 0 0 0.0.0.0:40000 0.0.0.0:* users:(("unbound",pid=8,fd=7)) cgroup:/system.slice/u.service'
DOCKER = (
    'socket tcp LISTEN 0 9 0.0.0.0:8080 0.0.0.0:* users:(("docker-proxy",pid=5,fd=4)) cgroup:/system.slice/d.service'
)


@pytest.fixture
def firewall(cluster: Site) -> Settings:
    return cluster.for_host("lk1").firewall


def links(**kinds: str) -> str:
    """As ip tells it: ``{}`` for each link that is down."""
    found: list[dict[str, Any]] = [{}, {"ifname": "eth0"}]
    return "links " + json.dumps([*found, *({"ifname": n, "linkinfo": {"info_kind": k}} for n, k in kinds.items())])


def seen(*lines: str) -> HostState:
    return HostState(answers={NAME: ["from 198.51.100.7", *lines, SPAN, SSHD]})


WIREGUARD = ("dev wg0 10.8.0.2", links(wg0="wireguard"), "default eth0", KERNEL, OVPN)
WIREGUARD_GO = ("dev wg0 10.8.0.2", links(wg0="tun"), "default eth0", "process 386", GO, OVPN)
OPENVPN = ("dev tun0 10.8.0.2", links(tun0="tun"), "default eth0", "process 9", OVPN, MANAGE)


def opened(firewall: Settings, *openings: Opening) -> Settings:
    return dataclasses.replace(firewall, open=openings)


def udp(port: int) -> Opening:
    return Opening(port=PortRange(port, port), proto="udp")


@pytest.mark.parametrize(
    ("lines", "where", "entry"),
    [
        (WIREGUARD, "41194/udp (the kernel)", "{'port': 41194, 'proto': 'udp', 'purpose': 'wg0'}"),
        (WIREGUARD_GO, "41194/udp (wireguard-go)", "{'port': 41194, 'proto': 'udp', 'purpose': 'wireguard-go'}"),
        (OPENVPN, "1194/tcp (openvpn)", "{'port': 1194, 'proto': 'tcp', 'purpose': 'openvpn'}"),
    ],
)
def test_a_tunnel_whose_port_the_rules_would_close_is_refused(
    firewall: Settings, lines: tuple[str, ...], where: str, entry: str
) -> None:
    why = refused(firewall, way_in(seen(*lines)))
    assert why.startswith("firewall.open: you come in by ")
    assert f"a tunnel that ends on this host at {where}, which the rules would close" in why
    assert why.endswith(f"; add {entry}")
    made = json.loads(entry.replace("'", '"'))
    keep = Opening(**made | {"port": PortRange.parse(made["port"])})
    assert refused(opened(firewall, keep), way_in(seen(*lines))) == ""


def test_the_one_who_makes_the_tunnel_counts_and_no_other(firewall: Settings) -> None:
    assert carriers(firewall, way_in(seen(*WIREGUARD_GO))) == Carriers(udp=("41194",))
    assert carriers(firewall, way_in(seen(*WIREGUARD))) == Carriers(udp=("41194",))
    assert carriers(firewall, way_in(seen(*WIREGUARD[:4], "port 7", KERNEL))) != Carriers(udp=("41194",))
    assert carriers(firewall, way_in(seen(*OPENVPN))) == Carriers(tcp=("1194",)), "what loopback has carries nothing"


def test_a_tunnel_without_ports_is_named_by_its_protocol(firewall: Settings) -> None:
    way = way_in(seen("dev gre1 10.8.0.2", links(gre1="gre"), "default eth0"))
    assert refused(firewall, way).endswith("travels in gre, which the rules would close: it goes on while it is "
        "established, and its next handshake gets no answer; add {'proto': 'gre', 'purpose': 'gre1'}")  # fmt: skip
    assert refused(opened(firewall, Opening(proto="gre")), way) == ""
    assert carriers(firewall, way) == Carriers(raw=(47,))
    policy = way_in(seen("dev eth0 192.0.2.1", "ipsec_from 198.51.100.0/24"))
    assert "travels in esp" in refused(firewall, policy)
    assert not way_in(seen("dev eth0 192.0.2.1", "ipsec_from 0.0.0.0/0", "ipsec_from 10.0.0.0/8"))


@pytest.mark.parametrize(
    "lines",
    [
        ("dev eth0 192.0.2.1", links(), "default eth0", KERNEL),
        ("dev br0 192.0.2.1", links(br0="bridge"), "default br0", KERNEL),
        ("dev eth0 192.0.2.1", links(eth0="veth", wg0="wireguard"), "default eth0", KERNEL),
        ("dev bond0.7 192.0.2.1", links(**{"bond0.7": "vlan"}), KERNEL),
    ],
    ids=["hardware", "a bridge to outside", "a container that is a host", "vlan"],
)
def test_a_way_that_ends_at_an_uplink_needs_nothing(firewall: Settings, lines: tuple[str, ...]) -> None:
    way = way_in(seen(*lines))
    assert not way
    assert refused(firewall, way) == ""
    assert not carriers(firewall, way)


def test_a_jump_by_the_host_itself_is_carried_by_ssh_or_whatever_listens(firewall: Settings) -> None:
    lines = ("dev lo local", links(), "default eth0", KERNEL, OVPN, RESOLVER, DOCKER, MANAGE)
    way = way_in(seen(*lines))
    assert refused(firewall, way) == "", "what carries it is tried, not guessed"
    assert carriers(firewall, way) == Carriers(tcp=("22", "1194"), udp=("41194",))


def test_a_bridge_of_the_hosts_own_may_be_reached_by_anything(firewall: Settings) -> None:
    way = way_in(seen("dev docker0 172.17.0.2", links(docker0="bridge"), "default eth0", KERNEL, OVPN))
    assert carriers(firewall, way) == Carriers(tcp=("1194",), udp=("41194",), raw=(47, 50, 51, 4, 41, 115))


def test_where_a_login_comes_from_is_hidden_every_tunnel_counts(firewall: Settings) -> None:
    hidden = HostState(answers={NAME: ["from", links(wg0="wireguard"), SPAN, KERNEL, OVPN]})
    assert carriers(firewall, way_in(hidden)).udp == ("41194",)
    assert "where this login comes from is hidden" in way_in(hidden).through
    assert not way_in(HostState(answers={NAME: ["from", links(), SPAN, KERNEL]}))


def test_a_clients_socket_keeps_its_state_unless_it_is_named(firewall: Settings) -> None:
    """Its answers come by that state alone: a resolver would be dumb meanwhile."""
    lines = ("dev lo local", links(), RESOLVER)
    assert carriers(firewall, way_in(seen(*lines))).udp == ()
    assert carriers(opened(firewall, udp(40000)), way_in(seen(*lines))).udp == ("40000",)


def test_the_login_is_made_while_the_carrier_counts_as_new(
    fake_run: Any, firewall: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, order = opened(firewall, udp(41194)), []
    state = fresh()
    state.answers[NAME] = seen(*WIREGUARD_GO).answers[NAME]
    monkeypatch.setattr(ssh, "new_login", lambda host, within: order.append("login"))

    def answer(_host: str, command: str) -> str | None:
        if "sh -s" in command:
            return look(state)
        order.extend(word for word in ("nft -f -", "nft delete table inet livekit_metal_fresh") if word in command)
        return ""

    done: FakeRun = fake_run(lambda: one_by_one("firewall", activate(settings)), answer=answer)
    assert done.results["lk1"].word == "done"
    assert order.index("login") > 0, "the table is there before it"
    assert order[-1] == "nft delete table inet livekit_metal_fresh"
    assert steps_of(done) == ["load", "confirm", "boot", "enable"]


def test_where_nothing_is_filtered_the_login_is_an_ordinary_one(firewall: Settings) -> None:
    """Else whoever comes by a tunnel could not go over to ``firewall.mode: none``."""
    none = dataclasses.replace(firewall, mode="none")
    for lines in (WIREGUARD, WIREGUARD_GO, OPENVPN, ("dev lo local", links(), KERNEL)):
        assert not carriers(none, way_in(seen(*lines)))
        assert carriers(firewall, way_in(seen(*lines))), "else this proves nothing"


def test_the_plan_refuses_what_would_lock_out(firewall: Settings) -> None:
    state = fresh()
    state.answers[NAME] = seen(*WIREGUARD_GO).answers[NAME]
    with pytest.raises(HostError, match="a tunnel that ends on this host at 41194/udp"):
        activate(firewall).plan(state)
    assert activate(dataclasses.replace(firewall, mode="none")).plan(state).actions


def test_the_question_is_shell_text() -> None:
    name, text = QUERY
    assert name == NAME
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False, env={
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SSH_CONNECTION": "127.0.0.1 9 127.0.0.1 22"})  # fmt: skip
    lines = done.stdout.splitlines()
    assert "dev lo local" in lines
    assert way_in(HostState(answers={NAME: lines})).device == "lo"


def test_what_carries_is_let_on_only_as_the_rules_would_let_it_in_anew(firewall: Settings) -> None:
    keep = Opening(port=PortRange(41194, 41194), proto="udp", networks=("192.0.2.0/24",))
    text = fresh_table(opened(firewall, keep), Carriers(tcp=("22",), udp=("41194",), raw=(47,)))
    lines = [line.strip() for line in text.splitlines()]
    dropped = lines.index('udp dport { 41194 } counter drop comment "not admitted as new"')
    assert lines.index("ip saddr { 192.0.2.0/24 } udp dport 41194 accept") < dropped
    assert lines.index("ip saddr { 198.51.100.0/24 } tcp dport 22 accept") < dropped
    assert lines.index('iif "lo" accept') < dropped
    assert 'meta l4proto { 47 } counter drop comment "not admitted as new"' in lines
    assert "notrack" not in text, "a connection that goes on afterwards would be out of order"
