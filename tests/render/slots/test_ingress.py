"""ingress' files: parsed back, compared with the site."""

from __future__ import annotations

import pytest
import yaml

from livekit_metal.core.slots.decision import DRAIN_DROP_IN, FINISH_SCRIPT
from livekit_metal.roles.ingress.settings import Settings
from livekit_metal.roles.ingress.tasks import Ingress
from livekit_metal.runtime.generations.generation import Generation
from livekit_metal.runtime.host.files import File
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
    return Ingress(ingress).generation(RELEASE)


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
        assert config["rtc_config"]["udp_port"] == str(ingress.part("media", slot))
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


def test_costs_are_what_upstream_recommends_unless_said(ingress: Settings, generation: Made) -> None:
    config = yaml.safe_load(by_name(generation)[f"{ingress.slots[0]}.yaml"])
    assert config["cpu_cost"] == {
        "rtmp_cpu_cost": 2.0,
        "whip_cpu_cost": 2.0,
        "whip_bypass_transcoding_cpu_cost": 0.1,
        "url_cpu_cost": 2.0,
        "min_idle_ratio": 0.3,
    }


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
