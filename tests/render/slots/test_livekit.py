"""livekit-server's files: parsed back, compared with the site."""

from __future__ import annotations

import dataclasses

import pytest
import yaml

from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.roles.livekit.tasks import Livekit
from livekit_metal.runtime.generations.generation import Generation
from livekit_metal.runtime.host.files import File
from livekit_metal.site.model import Site

RELEASE = "/opt/x/1.2.3-abc"
Made = tuple[Generation, tuple[File, ...]]


@pytest.fixture
def generation(any_site: Site) -> Made:
    livekit = any_site.for_host("lk1").livekit
    assert livekit is not None
    return Livekit(livekit).generation(RELEASE)


def by_name(generation: Made) -> dict[str, str]:
    return {f.path.rsplit("/", 1)[1]: f.text for f in generation[1]}


def test_every_slot_has_its_own_ports(any_site: Site, generation: Made) -> None:
    livekit = any_site.for_host("lk1").livekit
    assert livekit is not None
    for slot in livekit.slots:
        config = yaml.safe_load(by_name(generation)[f"{slot}.yaml"])
        assert config["port"] == livekit.part("signal", slot).first
        assert config["rtc"]["tcp_port"] == livekit.part("ice-tcp", slot).first
        assert config["rtc"]["udp_port"] == str(livekit.part("media", slot))
        assert config["prometheus"]["port"] == livekit.part("metrics", slot).first
        assert config["redis"]["address"] == livekit.redis.address
        assert config["rtc"]["node_ip"] == any_site.hosts["lk1"].public_address


def test_every_slot_has_its_own_turn(any_site: Site, generation: Made) -> None:
    livekit = any_site.for_host("lk1").livekit
    assert livekit is not None
    nodes = {f"{address}/32" for host in any_site.with_role("livekit") for address in any_site.hosts[host].told}
    name = any_site.livekit.turn.name("lk1")
    for slot in livekit.slots:
        turn = yaml.safe_load(by_name(generation)[f"{slot}.yaml"])["turn"]
        relay = livekit.part("turn-relay", slot)
        assert turn["udp_port"] == livekit.part("turn-udp", slot).first
        odd = relay.last - (relay.last + 1) % 2  # EVEN-PORT would reserve the port behind an even last one
        assert (turn["relay_range_start"], turn["relay_range_end"]) == (relay.first, odd)
        assert turn["bind_addresses"] == [any_site.hosts["lk1"].address]
        assert set(turn["allow_restricted_peer_cidrs"]) == nodes, "all of these examples are private to Python"
        tls = {"domain": name, "tls_port": livekit.part("turn-tls", slot).first, "external_tls": True} if name else {}
        assert {k: turn[k] for k in ("domain", "tls_port", "external_tls") if k in turn} == tls


@pytest.mark.parametrize(("release", "said"), [("1.13.7", None), ("1.13.8", {"port": 0}), ("1.13.9", {"port": 0})])
def test_a_release_that_has_webtransport_is_told_to_listen_to_none(
    any_site: Site, release: str, said: dict[str, int] | None
) -> None:
    """Its port is UDP, and no slot's: the registry has none, so the firewall lets nobody there."""
    livekit = any_site.for_host("lk1").livekit
    assert livekit is not None
    wanted = dataclasses.replace(livekit, release=release)
    assert {str(wanted.config(slot).get("webtransport")) for slot in wanted.slots} == {str(said)}
    assert not [port for port in any_site.ports("lk1") if "webtransport" in port.name]


def test_packets_go_out_in_batches_only_when_the_site_asks_for_it(any_site: Site) -> None:
    """One packet that the kernel refuses takes those behind it in its batch along: of other rooms, too."""
    livekit = any_site.for_host("lk1").livekit
    assert livekit is not None

    def rendered(settings: Settings) -> dict[str, object]:
        found: dict[str, object] = yaml.safe_load(
            by_name(Livekit(settings).generation(RELEASE))[f"{settings.slots[0]}.yaml"]
        )["rtc"]["batch_io"]
        return found

    assert rendered(livekit) == {"batch_size": 0}, "said, so that no default of upstream's takes its place"
    asked = dataclasses.replace(livekit, batch_size=64, batch_interval="5ms")
    assert rendered(asked) == {"batch_size": 64, "max_flush_interval": "5ms"}


def test_keys_are_read_back_and_stand_nowhere_else(any_site: Site, generation: Made) -> None:
    vault = any_site.vault
    assert vault is not None
    files = by_name(generation)
    assert yaml.safe_load(files["keys.yaml"]) == {k: s.reveal() for k, s in vault.keys_of_nodes.items()}
    assert yaml.safe_load(files["keys.yaml"]).keys() == {vault.api_key, *vault.daemon_keys}
    assert vault.passwords("redis")[0].reveal() in files["environment"]
    open_texts = "".join(f.text for f in generation[1] if not f.secret)
    assert not [value for value in vault.every_value() if value in open_texts]
    assert {f.path.rsplit("/", 1)[1]: f.mode for f in generation[1] if f.secret} == {
        "keys.yaml": "640",
        "environment": "600",
    }


def test_a_release_gets_no_key_that_it_would_stop_at(any_site: Site) -> None:
    livekit = any_site.for_host("lk1").livekit
    assert livekit is not None
    slot = livekit.slots[0]
    whole = livekit.config(slot)
    assert whole["debug_handler"] == {"port": livekit.part("debug", slot).first}
    of_own_build = dataclasses.replace(livekit, release="1.13.1-mine", source="file").config(slot)
    turn = {key: value for key, value in whole["turn"].items() if not key.startswith("proxy_protocol")}
    assert of_own_build == {key: value for key, value in whole.items() if key != "debug_handler"} | {"turn": turn}
