"""livekit-sip's files: parsed back, compared with the site."""

from __future__ import annotations

import dataclasses
import subprocess

import pytest
import yaml

from livekit_metal.roles.sip.settings import Settings
from livekit_metal.roles.sip.tasks import Sip
from livekit_metal.runtime.generations.generation import Generation
from livekit_metal.runtime.host.files import File
from livekit_metal.site.model import Site

Made = tuple[Generation, tuple[File, ...]]
EXPOSURE = 1.6


@pytest.fixture
def sip(phones: Site) -> Settings:
    found = phones.for_host("lk1").sip
    assert found
    return found


@pytest.fixture
def generation(sip: Settings) -> Made:
    return Sip(sip).generation("/opt/x/1.2.3-abc")


def by_name(generation: Made) -> dict[str, str]:
    return {f.path.rsplit("/", 1)[1]: f.text for f in generation[1]}


def test_every_slot_has_its_own_ports_and_what_it_must_know(phones: Site, sip: Settings, generation: Made) -> None:
    vault, edge = phones.vault, phones.for_host("lk1").edge
    assert vault
    assert edge
    for slot in sip.slots:
        config = yaml.safe_load(by_name(generation)[f"{slot}.yaml"])
        assert config["sip_port"] == sip.part("sip", slot).first
        assert config["rtp_port"] == str(sip.part("rtp", slot))
        assert config["health_port"] == sip.part("health", slot).first
        assert config["prometheus_port"] == sip.part("metrics", slot).first
        assert config["local_net"] == "192.0.2.11/32"
        assert config["ws_url"] == f"ws://127.0.0.1:{edge.http}"
        assert (config["api_key"], config["api_secret"]) in [(k, s.reveal()) for k, s in vault.daemon_keys.items()]
        assert config["redis"]["password"] == vault.passwords("redis-sip")[0].reveal()


def test_behind_nat_media_has_the_public_address_and_signalling_the_host_s(sip: Settings) -> None:
    behind = dataclasses.replace(sip, public_address="198.51.100.77").config(sip.slots[0])
    assert (behind["media_nat_1_to_1_ip"], behind["listen_ip"]) == ("198.51.100.77", "192.0.2.11")
    assert sip.config(sip.slots[0])["media_nat_1_to_1_ip"] == ""


def test_a_drain_is_sigterm_and_a_reboot_is_bye(sip: Settings, generation: Made) -> None:
    drop_in = by_name(generation)[f"slot-{sip.slots[0]}.conf"]
    assert "KillSignal=SIGINT\n" in drop_in
    assert Sip(sip).switchover().signal == "SIGTERM"


def test_what_ends_a_drain_is_shell_and_shuts_off_the_slot_s_own_media(sip: Settings, generation: Made) -> None:
    finish = Sip(sip).switchover().finish
    assert subprocess.run(["sh", "-n"], input=finish, text=True, check=False).returncode == 0
    slot = sip.slots[1]
    (line,) = [line for line in by_name(generation)["ports"].splitlines() if line.startswith(f"slot {slot} ")]
    assert line.endswith(f" rtp {sip.part('rtp', slot)}")
    assert "s/^slot $slot .* rtp //p" in finish
