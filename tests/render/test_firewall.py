"""The firewall's files: loaded by nft into a network namespace of the test's own, and compared with the site."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import os
import re
import subprocess
from collections.abc import Callable

import pytest

from livekit_metal.core.foreign import RAW, Opening
from livekit_metal.core.ports import PortRange, Proto, Reach
from livekit_metal.roles.firewall.rules import rules
from livekit_metal.roles.firewall.settings import Settings
from livekit_metal.roles.firewall.tasks import _boot_files, _main
from livekit_metal.roles.firewall.way_in import Carriers, fresh_table
from livekit_metal.site.model import Site
from tests.render.conftest import as_us
from tests.render.loaded import Loaded, Networks, ports_of

TABLE = "inet livekit_metal"
Nft = Callable[..., str]


@pytest.fixture
def nft(program: Callable[[str, str], str]) -> Nft:
    """``nft(script, *rulesets)``: what a shell script says in an empty namespace; $1, $2 … are the rulesets' texts."""
    program("nft", "nftables")
    unshare = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    if subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody make a network namespace")

    def run(script: str, *rulesets: str) -> str:
        load = 'load() { printf "%s\n" "$1" | nft -f -; }\n'
        done = subprocess.run(
            [*unshare, "sh", "-euc", load + script, "sh", *map(as_us, rulesets)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(params=[0, -1], ids=["first", "last"])
def firewall(request: pytest.FixtureRequest, any_site: Site) -> Settings:
    """Of the host with the most roles, and of the one with the fewest."""
    return any_site.for_host(list(any_site.hosts)[request.param]).firewall


@pytest.fixture
def loaded(firewall: Settings, nft: Nft) -> Loaded:
    return Loaded(nft(f'load "$1"; nft -j list table {TABLE}', _main(firewall)[0].text))


def test_what_is_open_to_all_is_what_the_registry_says(firewall: Settings, loaded: Loaded) -> None:
    tcp = loaded.verdicts("tcp")
    assert {n for n, who in tcp.items() if who == "accept"} == ports_of(firewall.ports, Proto.TCP, Reach.PUBLIC)
    assert loaded.untracked() == ports_of(firewall.ports, Proto.UDP, Reach.PUBLIC)
    assert not set(tcp) & ports_of(firewall.ports, Proto.TCP, Reach.LOCAL)
    assert "accept" not in loaded.verdicts("udp").values()


def test_cluster_ports_are_open_to_hosts_with_the_roles_that_use_them(
    firewall: Settings, loaded: Loaded, any_site: Site
) -> None:
    verdicts = {proto: loaded.verdicts(proto.value) for proto in Proto}
    for port in [p for p in firewall.ports if p.reach is Reach.CLUSTER]:
        users = {"exporters": "redis", "media": "livekit"}  # an exporter stands beside Redis
        roles = {users.get(client, client) for client in port.clients}
        hosts = [h for h in any_site.hosts.values() if not roles or roles & set(h.roles)]
        group = verdicts[port.proto][port.range.first]
        media = port.clients == ("media",)  # relays lead to whatever clients are told, and come from it
        expected = {
            ipaddress.ip_network(a) for h in hosts for a in ((h.address, *h.told) if media else (h.cluster_address,))
        }
        assert _flat(loaded.networks(group)) == expected, port


def test_ports_of_trunks_are_open_to_the_networks_of_trunks(phones: Site, nft: Nft) -> None:
    firewall = phones.for_host("lk1").firewall
    loaded = Loaded(nft(f'load "$1"; nft -j list table {TABLE}', _main(firewall)[0].text))
    verdicts = {proto: loaded.verdicts(proto.value) for proto in Proto}
    signal = {ipaddress.ip_network(n) for t in phones.sip.trunks.values() for n in t.networks}
    for port in [p for p in firewall.ports if p.reach is Reach.TRUNK]:
        group = verdicts[port.proto][port.range.last]
        everywhere = {ipaddress.ip_network("0.0.0.0/0")}
        assert loaded.networks(group) == (everywhere if port.name.startswith("rtp") else signal), port
        assert port.range.first not in loaded.untracked()


def _flat(networks: Networks) -> Networks:
    """Single addresses, whichever way they were written together."""
    return {single for network in networks for single in network.subnets(new_prefix=network.max_prefixlen)}


def test_ssh_is_open_to_administrators_only(firewall: Settings, loaded: Loaded) -> None:
    assert loaded.verdicts("tcp")[firewall.ssh_port] == "admin"
    assert loaded.networks("admin") == set(map(ipaddress.ip_network, firewall.admin))


def test_what_is_not_named_is_dropped(loaded: Loaded) -> None:
    chains = {c["name"]: c for c in loaded.all("chain")}
    assert chains["input"]["policy"] == "drop"
    assert {name for name, chain in chains.items() if chain.get("hook")} == {
        *("input", "relay_out"),
        *("untrack_in", "untrack_out"),
    }


def test_rules_come_in_the_order_that_media_needs(loaded: Loaded) -> None:
    """Media, then ICMP, then the connection state: an error about untracked media counts as invalid."""
    text = [json.dumps(rule) for rule in loaded.rules("input")]
    places = [next(i for i, rule in enumerate(text) if mark in rule) for mark in ("@untracked", "icmp_in", '"ct"')]
    assert places == [0, 1, 2]


def test_media_is_not_tracked_in_either_direction(loaded: Loaded) -> None:
    for chain, field in (("untrack_in", "dport"), ("untrack_out", "sport")):
        (rule,) = loaded.rules(chain)
        assert rule[0]["match"]["left"]["payload"] == {"protocol": "udp", "field": field}
        assert rule[0]["match"]["right"] == "@untracked"
        assert "notrack" in rule[1]


def test_the_comment_is_a_stamp_of_all_else(firewall: Settings, nft: Nft) -> None:
    file, stamp = _main(firewall)
    assert nft(f'load "$1"; nft list table {TABLE}', file.text).splitlines()[1].strip() == f'comment "{stamp}"'
    other, its = _main(dataclasses.replace(firewall, log=not firewall.log))
    assert its != stamp
    assert _main(firewall) == (file, stamp)
    assert other.text.replace(its, stamp) != file.text


def test_a_reload_replaces_our_table_and_no_other(firewall: Settings, nft: Nft) -> None:
    main, (fallback, _) = _main(firewall)[0].text, _boot_files(firewall)
    foreign = "table ip foreign { chain input { tcp dport 9999 accept; }; }"
    listing = "nft -s list ruleset"
    once = nft(f'load "$2"; load "$1"; {listing}', main, foreign)
    assert nft(f'load "$2"; load "$1"; load "$3"; load "$1"; {listing}', main, foreign, fallback.text) == once
    assert "9999" in once


def test_the_fallback_lets_administrators_in_and_nobody_else(firewall: Settings, nft: Nft) -> None:
    text = _boot_files(firewall)[0].text
    listed = nft(f'load "$1"; nft list table {TABLE}', text)
    entries, _, _ = listed.partition("chain relay_out")
    named = tuple(f"dport {opening.port} accept" for opening in firewall.open)  # by the inventory
    lines = [line for line in entries.splitlines() if "dport" in line and "sport" not in line]
    opened = [line for line in lines if not line.endswith(named)]
    families = {ipaddress.ip_network(n).version for n in firewall.admin}
    assert len(opened) == len(families)
    assert all(f"tcp dport {firewall.ssh_port} accept" in line for line in opened)
    for network in map(ipaddress.ip_network, firewall.admin):
        assert any(str(network) in line for line in opened)
    assert "policy drop" in listed
    assert 'comment "fallback"' in listed


def test_a_host_without_names_for_numbers_can_load_it(firewall: Settings, nft: Nft) -> None:
    """Debian without netbase: no /etc/protocols, no /etc/services."""
    hide = "mount -t tmpfs none /etc; " if os.geteuid() == 0 else ""
    script = f'unshare -m sh -euc \'{hide}printf "%s\n" "$1" | nft -f -; printf "%s\n" "$2" | nft -f -\' sh "$1" "$2"'
    nft(script, _main(firewall)[0].text, _boot_files(firewall)[0].text)


def test_the_unit_is_sound_and_never_opens_the_host(
    firewall: Settings, verify_unit: Callable[[str, str], float]
) -> None:
    unit = _boot_files(firewall)[1].text
    verify_unit("livekit-firewall.service", unit)
    assert firewall.main in unit
    assert firewall.fallback in unit
    assert "Before=network-pre.target" in unit
    assert "\nExecStop=" not in unit
    assert "flush" not in unit


def test_what_else_runs_on_the_host_is_let_in_as_the_inventory_says(firewall: Settings, nft: Nft) -> None:
    """By the rules and by the minimum: an administrator's tunnel may end here."""
    web = Opening(port=PortRange(8443, 8444), purpose='the "pad"; not ours')
    tunnel = Opening(
        port=PortRange(51820, 51820), proto="udp", networks=("192.0.2.0/24", "2001:db8::/32"), interface="eth*"
    )
    settings = dataclasses.replace(firewall, open=(web, tunnel), trusted=("wg0", "br-*"))
    for text in (_main(settings)[0].text, _boot_files(settings)[0].text):
        listed = nft(f'load "$1"; nft -nn list chain {TABLE} input', text)
        lines = [line.strip() for line in listed.splitlines()]
        for expected in (
            'iifname "wg0" accept',
            'iifname "br-*" accept',
            "tcp dport 8443-8444 accept",
            'iifname "eth*" ip saddr 192.0.2.0/24 udp dport 51820 accept',
            'iifname "eth*" ip6 saddr 2001:db8::/32 udp dport 51820 accept',
        ):
            assert expected in lines
        assert lines.index("tcp dport 8443-8444 accept") > lines.index('iif "lo" accept')


def test_without_a_filter_of_ours_relays_alone_are_bounded(firewall: Settings, nft: Nft) -> None:
    """firewall.mode none: nothing hooks what comes in, or keeps media out of somebody else's connection tracking."""
    none = dataclasses.replace(firewall, mode="none")
    for text in (_main(none)[0].text, _boot_files(none)[0].text):
        listed = Loaded(nft(f'load "$1"; nft -j list table {TABLE}', text))
        hooks = {chain["hook"] for chain in listed.all("chain") if "hook" in chain}
        assert hooks == ({"output"} if rules(firewall).relayed.sources else set())
        with_filter = Loaded(nft(f'load "$1"; nft -j list table {TABLE}', _main(firewall)[0].text))
        assert {c["name"] for c in with_filter.all("chain")} > {c["name"] for c in listed.all("chain")}


def test_openings_without_ports_load(firewall: Settings, nft: Nft) -> None:
    """Protocols of tunnels, and the table that has their packets judged as the first ones."""
    tunnels = tuple(Opening(proto=proto, networks=("192.0.2.0/24", "2001:db8::/32")) for proto in RAW)
    text = _main(dataclasses.replace(firewall, open=tunnels))[0].text
    chain = nft(f'load "$1"; nft -n list chain {TABLE} input', text)
    assert set(re.findall(r"l4proto ([0-9]+) accept", chain)) == set(map(str, RAW.values()))
    carried = Carriers(tcp=("22", "1194"), udp=("51820",), raw=tuple(RAW.values()))
    fresh = fresh_table(dataclasses.replace(firewall, open=tunnels), carried)
    assert nft('load "$1"; load "$1"; nft list ruleset', fresh).count("not admitted as new") == 3
