"""ingress' files: parsed back, compared with the site."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import pytest
import yaml

from livekit_metal.core.slots.decision import DRAIN_DROP_IN, FINISH_SCRIPT
from livekit_metal.roles.ingress.generation import make
from livekit_metal.roles.ingress.settings import UNIT, Settings
from livekit_metal.runtime.host.files import File, text
from livekit_metal.runtime.slots.generation import Generation
from livekit_metal.site.model import Site

RELEASE = "/opt/x/1.5.0-abc"
EXPOSURE = 2.0  # of systemd-analyze security, where 10 is a bare process
Made = tuple[Generation, tuple[File, ...]]


@pytest.fixture
def ingress(streaming_site: Site) -> Settings:
    found = streaming_site.for_host("lk1").ingress
    assert found is not None
    return found


@pytest.fixture
def generation(ingress: Settings) -> Made:
    return make(ingress, RELEASE)


def by_name(generation: Made) -> dict[str, str]:
    return {f.path.rsplit("/", 1)[1]: f.text for f in generation[1]}


def test_every_slot_has_its_own_ports_and_no_other_default(ingress: Settings, generation: Made) -> None:
    """A port that is left out gets upstream's default, the same one in every slot."""
    keys = {
        "rtmp_port": "rtmp",
        "whip_port": "whip",
        "http_relay_port": "relay",
        "health_port": "health",
        "prometheus_port": "metrics",
        "debug_handler_port": "debug",
    }
    for slot in ingress.slots:
        config = yaml.safe_load(by_name(generation)[f"{slot}.yaml"])
        assert {key: config[key] for key in keys} == {k: ingress.part(n, slot).first for k, n in keys.items()}
        assert config["rtc_config"]["udp_port"] == str(ingress.part("media_udp", slot))
        declared = {p.range.first for p in ingress.ports() if p.name.endswith(f"-{slot}")}
        assert declared == {*(config[key] for key in keys), int(config["rtc_config"]["udp_port"])}


def test_media_goes_by_the_hosts_own_addresses(streaming_site: Site, generation: Made) -> None:
    host = streaming_site.hosts["lk1"]
    rtc = yaml.safe_load(by_name(generation)[f"{streaming_site.ingress.slots[0]}.yaml"])["rtc_config"]
    assert (rtc["node_ip"], rtc["use_external_ip"]) == (host.public_address, False)
    assert rtc["ips"] == {"includes": [f"{host.address}/32"]}


def test_streams_reach_livekit_through_the_edge_of_the_same_host(streaming_site: Site, generation: Made) -> None:
    config = yaml.safe_load(by_name(generation)[f"{streaming_site.ingress.slots[0]}.yaml"])
    assert config["ws_url"] == f"ws://127.0.0.1:{streaming_site.edge.http.first}"
    livekit = streaming_site.for_host("lk1").livekit
    assert livekit is not None
    assert config["redis"]["address"] == livekit.redis.address


def test_secrets_are_read_back_and_stand_nowhere_else(streaming_site: Site, generation: Made) -> None:
    vault = streaming_site.vault
    assert vault is not None
    config = yaml.safe_load(by_name(generation)[f"{streaming_site.ingress.slots[0]}.yaml"])
    assert {config["api_key"]: config["api_secret"]} == {k: s.reveal() for k, s in vault.daemon_keys.items()}
    assert config["redis"]["password"] == vault.passwords("redis-ingress")[0].reveal()
    assert not [v for v in vault.every_value() if v in "".join(f.text for f in generation[1] if not f.secret)]
    assert {(f.mode, f.group) for f in generation[1] if f.secret} == {("640", "livekit-ingress")}


def test_costs_are_what_upstream_recommends_unless_said(ingress: Settings, generation: Made) -> None:
    config = yaml.safe_load(by_name(generation)[f"{ingress.slots[0]}.yaml"])
    assert config["cpu_cost"] == {
        "rtmp_cpu_cost": 2.0,
        "whip_cpu_cost": 2.0,
        "whip_bypass_transcoding_cpu_cost": 0.1,
        "url_cpu_cost": 2.0,
        "min_idle_ratio": 0.3,
    }


def test_rare_upstream_options_pass_through(ingress: Settings) -> None:
    extra = {"enable_stream_latency_reduction": True, "rtc_config": {"batch_io": {"batch_size": 64}}}
    config = dataclasses.replace(ingress, extra=extra).config(ingress.slots[0])
    assert config["enable_stream_latency_reduction"] is True
    assert config["rtc_config"]["batch_io"] == {"batch_size": 64}
    assert config["rtc_config"]["udp_port"] == str(ingress.part("media_udp", ingress.slots[0]))


def test_a_generation_is_named_by_all_that_a_slot_would_run(ingress: Settings) -> None:
    name = make(ingress, RELEASE)[0].name
    assert make(ingress, RELEASE)[0].name == name
    assert make(ingress, "/opt/x/1.5.1-abc")[0].name != name
    assert make(dataclasses.replace(ingress, log_level="debug"), RELEASE)[0].name != name


def test_units_are_sound_and_tight(
    ingress: Settings, generation: Made, verify_unit: Callable[[str, str], float]
) -> None:
    slot = ingress.slots[0]
    unit = text("ingress/livekit-ingress@.service.j2", ingress=ingress).replace("ExecStart=/bin/false\n", "")
    head, install = unit.split("[Install]")
    drop_in = by_name(generation)[f"slot-{slot}.conf"].replace("ExecStart=\n", "")
    assert verify_unit(UNIT.format(slot), f"{head}{drop_in}\n[Install]{install}") <= EXPOSURE


def test_the_program_finds_itself_and_its_streams_hear_only_what_they_know(ingress: Settings, generation: Made) -> None:
    lines = by_name(generation)[f"slot-{ingress.slots[0]}.conf"].splitlines()
    (path,) = [line for line in lines if line.startswith("Environment=PATH=")]
    assert path.removeprefix("Environment=PATH=").split(":")[0] == RELEASE, "it starts itself as `ingress` on PATH"
    assert f"ExecStart={RELEASE}/ingress --config {generation[0].directory}/{ingress.slots[0]}.yaml" in lines
    assert {"KillMode=mixed", "KillSignal=SIGINT", "Restart=always"} <= set(lines)
    (families,) = [line for line in lines if line.startswith("RestrictAddressFamilies=")]
    assert {"AF_UNIX", "AF_NETLINK"} <= set(families.partition("=")[2].split())
    after = " ".join(line for line in lines if line.startswith("ExecStopPost="))
    assert DRAIN_DROP_IN in after
    assert FINISH_SCRIPT in after
    assert "livekit-finish-ingress-%i.timer" in after


def test_ports_are_recorded_for_those_who_ask_a_running_slot(ingress: Settings, generation: Made) -> None:
    record = by_name(generation)["ports"]
    for slot in ingress.slots:
        found = re.search(rf"^slot {slot} .*\bmetrics (\d+)", record, re.MULTILINE)
        assert found
        assert int(found[1]) == ingress.part("metrics", slot).first
