"""The edge's files: read back by HAProxy and systemd, compared with the site."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from livekit_metal.core.ports import Reach
from livekit_metal.core.slots.active import Active
from livekit_metal.core.slots.decision import CLIENT_SOURCE_ADDRESS
from livekit_metal.core.types.duration import Duration
from livekit_metal.roles.edge.settings import UNIT, Settings
from livekit_metal.roles.edge.tasks import _certificates, _config, _files
from livekit_metal.site.model import Site


@pytest.fixture(params=["lk1", "last"])
def host(request: pytest.FixtureRequest, any_site: Site) -> str:
    return str(request.param) if request.param == "lk1" else list(any_site.hosts)[-1]


@pytest.fixture
def edge(any_site: Site, host: str) -> Settings:
    found = any_site.for_host(host).edge
    assert found is not None
    return dataclasses.replace(found, connections=9500, ipv6=True, description="0123456789abcdef")


def sections(edge: Settings) -> dict[str, list[str]]:
    """``frontend http`` and so on -> its lines."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in _config(edge).text.splitlines():
        if line and not line.startswith((" ", "#")):
            name = line
        elif line.startswith(" "):
            found.setdefault(name, []).append(line.strip())
        if name:
            found.setdefault(name, [])
    return found


MISSED = " tcp-ut 30s"


def starting(lines: list[str], word: str) -> list[str]:
    return [line.removeprefix(f"{word} ").removesuffix(MISSED) for line in lines if line.startswith(f"{word} ")]


def test_haproxy_reads_it(edge: Settings, tmp_path: Path, program: Callable[[str, str], str]) -> None:
    haproxy = program("haproxy", "haproxy")
    here = Active(str(tmp_path / "active.map"), str(tmp_path / "admin.sock"))
    Path(here.file).touch()
    (tmp_path / "edge").mkdir()
    mine = dataclasses.replace(edge, active=here, config_root=str(tmp_path))
    for certificate in _certificates(mine):
        Path(certificate.path).write_text(certificate.text)
    config = tmp_path / "haproxy.cfg"
    config.write_text(_config(mine).text)
    done = subprocess.run([haproxy, "-c", "-f", config], capture_output=True, text=True, check=False)
    assert (done.returncode, "WARNING" in done.stderr) == (0, False), done.stderr


def test_it_binds_the_registrys_ports_and_no_other(any_site: Site, host: str, edge: Settings) -> None:
    address = ipaddress.ip_address(any_site.inside(host))
    declared = {p.name: p.range.first for p in any_site.ports(host) if p.owner == "edge"}
    bound = {
        n.removeprefix("frontend "): [b for b in starting(lines, "bind") if not b.startswith("unix@")]
        for n, lines in sections(edge).items()
        if "frontend" in n and n != "frontend turn"
    }
    public = {p.name for p in any_site.ports(host) if p.owner == "edge" and p.reach is Reach.PUBLIC}
    assert public == ({"https", "redirect"} if any_site.edge.encrypted else {"http"})
    expected = {name: [f"*:{declared[name]}", f":::{declared[name]} v6only"] for name in public}
    assert bound == {"http": [f"127.0.0.1:{declared['http']}"]} | expected | {
        "peer": [f"{address}:{declared['peer']}"],
        "metrics": [f"{address}:{declared['metrics']}"],
    }


def test_whoever_vanishes_is_missed_where_workers_come_in_and_go_out(any_site: Site, host: str, edge: Settings) -> None:
    """A worker whose host lost its power must not stay registered for as long as the kernel alone tries."""
    found, others = sections(edge), [n for n, h in any_site.hosts.items() if n != host and "livekit" in h.roles]
    entries = [line for n in ("http", "peer") for line in found[f"frontend {n}"] if line.startswith("bind ")]
    ways = [
        line for lines in found.values() for line in lines if line.startswith(tuple(f"server {n} " for n in others))
    ]
    assert len(entries) > 1
    assert bool(ways) == bool(others)
    assert [line for line in (*entries, *ways) if not line.endswith(MISSED) and "unix@" not in line] == []


def test_a_host_without_ipv6_is_not_asked_for_it(edge: Settings) -> None:
    name = "https" if edge.encrypted else "http"
    lines = sections(dataclasses.replace(edge, ipv6=False))[f"frontend {name}"]
    assert starting(lines, "bind") == [f"*:{getattr(edge, name)}"]


def test_every_door_has_limits_and_none_where_the_site_wants_none(edge: Settings) -> None:
    def limits(settings: Settings) -> dict[str, list[str]]:
        return {n: starting(lines, "tcp-request connection") for n, lines in sections(settings).items()}

    public = {f"frontend {p.name}" for p in edge.ports() if p.reach is Reach.PUBLIC}
    assert {name for name, found in limits(edge).items() if found} == public
    free = dataclasses.replace(edge, max_per_address=0, max_rate_per_address=0)
    assert not any(limits(free).values())
    assert not [line for lines in sections(free).values() for line in lines if "stick-table" in line]


def test_an_address_of_ipv6_is_written_in_brackets(edge: Settings) -> None:
    six = dataclasses.replace(edge, cluster_address="2001:db8::1", peers={"other": "2001:db8::2"})
    found = sections(six)
    assert starting(found["frontend peer"], "bind") == [f"[2001:db8::1]:{edge.peer}"]
    assert starting(found["backend peers"], "server") == [f"other [2001:db8::2]:{edge.peer}"]


def test_every_slot_has_its_ports_and_the_others_behind_it(any_site: Site, host: str, edge: Settings) -> None:
    found = sections(edge)
    others = {n: h.cluster_address for n, h in any_site.hosts.items() if n != host and "livekit" in h.roles}
    for slot in any_site.livekit.slots:
        signal = f"127.0.0.1:{any_site.livekit.part('signal', slot)}"
        behind = [f"{n} {a}:{any_site.edge.peer} backup no-check track peers/{n}" for n, a in others.items()]
        followed = f"no-check track livekit_{slot}/local"
        awaited = f"signalling {signal} source {CLIENT_SOURCE_ADDRESS} weight 0 {followed}"
        assert starting(found[f"backend livekit_{slot}"], "server") == [f"local {signal}", awaited, *behind]
        only = [f"local {signal} {followed}", awaited]
        assert starting(found[f"backend only_{slot}"], "server") == only, "what a peer sends is never sent on"
        metrics = f"slot 127.0.0.1:{any_site.livekit.part('metrics', slot)} no-check"
        assert starting(found[f"backend metrics_livekit_{slot}"], "server") == [metrics]
    assert [s.split()[0] for s in starting(found["backend peers"], "server")] == list(others)
    assert found["backend only_none"] == []


def test_the_active_file_is_the_sites(any_site: Site, edge: Settings) -> None:
    used = set(re.findall(r"map\(([^,]+),none\)", _config(edge).text))
    assert used == {f"{any_site.paths.config}/active.map"}


def test_nothing_ends_a_websocket_before_the_longest_drain(edge: Settings, any_site: Site) -> None:
    lines = sections(edge)["global"]
    assert starting(lines, "hard-stop-after") == [str(any_site.edge.hard_stop_after)]
    assert "on-marked-down" not in re.sub(r"#.*", "", _config(edge).text)


def test_without_a_prometheus_nothing_is_offered_to_it(edge: Settings) -> None:
    quiet = dataclasses.replace(edge, monitored=False)
    assert not [name for name in sections(quiet) if "metrics" in name]
    assert [p.name for p in quiet.ports() if p.reach is not Reach.PUBLIC or p.name == "http"] == ["http", "peer"]


def test_the_configuration_is_named_by_all_of_it(edge: Settings) -> None:
    """The description changes with the text: how the running HAProxy is recognised."""
    assert starting(sections(edge)["global"], "description") == [edge.description]
    assert _config(edge).text != _config(dataclasses.replace(edge, hard_stop_after=Duration(7200))).text


def test_turn_over_tls_leads_to_the_active_slots_turn(any_site: Site, host: str, edge: Settings) -> None:
    found, domain = sections(edge), any_site.livekit.turn.name(host)
    assert ("frontend turn" in found) == bool(domain)
    if not domain:
        return
    assert f"tls_turn if {{ req.ssl_sni -i {domain} }}" in starting(found["frontend https"], "use_backend")
    at = {s: f"{any_site.hosts[host].address}:{any_site.livekit.part('turn-tls', s)}" for s in any_site.livekit.slots}
    for slot in any_site.livekit.slots:
        servers = starting(found[f"backend turn_{slot}"], "server")
        assert [s.split()[1] for s in servers] == list(at.values())
        assert [s.split()[0] for s in servers if not s.endswith(" backup")] == [slot]
        assert all(f"no-check track livekit_{s.split()[0]}/local" in s for s in servers)
    assert [s.split()[1] for s in starting(found["backend turn_none"], "server")] == list(at.values())
    assert edge.served is not None
    assert edge.served.covers(domain)


def test_the_certificate_has_a_file_that_only_haproxy_reads(any_site: Site, host: str, edge: Settings) -> None:
    files = _certificates(edge)
    assert bool(files) == any_site.edge.encrypted
    for file in files:
        assert (file.mode, file.user, file.group, file.secret) == ("640", "root", "haproxy", True)
        served = {line for line in _config(edge).text.splitlines() if " ssl " in line}
        assert all(f"accept-proxy ssl crt {file.path}" in line for line in served)
        assert len(served) == 1 + bool(edge.turn_name)
    assert any_site.vault is not None
    assert not [v for v in any_site.vault.every_value() if v in _config(edge).text]


def test_the_unit_is_sound_and_tight(edge: Settings, verify_unit: Callable[[str, str], float]) -> None:
    unit = _files(edge)[1].files[0].text
    assert verify_unit(UNIT, unit) <= 2.0
    assert f"ExecStart=/usr/sbin/haproxy -Ws -f {edge.config_root}/edge/haproxy.cfg\n" in unit
    assert edge.active.socket == "/run/livekit-edge/admin.sock"
    assert "\nRuntimeDirectory=livekit-edge\n" in unit
