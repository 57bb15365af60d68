"""ingress as it runs on a deployed host."""

from __future__ import annotations

import re

import pytest
from testinfra.host import Host

from livekit_metal.core.ports import Proto, Reach
from livekit_metal.site.model import HostStack

EXPOSURE = 2.0  # of systemd-analyze security, where 10 is a bare process


@pytest.fixture(autouse=True)
def _only_where_it_runs(stack: HostStack) -> None:
    if stack.ingress is None:
        pytest.skip(f"{stack.host} has no ingress in this site")


@pytest.fixture
def slot(host: Host, stack: HostStack) -> str:
    """The active slot, as HAProxy sees it."""
    text = host.file(stack.ingress.active.file).content_string
    (line,) = [line for line in text.splitlines() if line.startswith("ingress ")]
    return line.split()[1]


@pytest.fixture
def unit(slot: str) -> str:
    return f"livekit-ingress@{slot}.service"


@pytest.fixture
def pid(host: Host, unit: str) -> str:
    return host.check_output("systemctl show -p MainPID --value %s", unit)


def test_only_the_active_slot_runs_and_would_start_at_boot(host: Host, unit: str) -> None:
    running = host.check_output("systemctl list-units --plain --no-legend --state=active 'livekit-ingress@*'")
    assert [line.split()[0] for line in running.splitlines()] == [unit]
    assert host.service(unit).is_enabled


def test_its_own_process_owns_every_port_of_its_slot(host: Host, stack: HostStack, slot: str, pid: str) -> None:
    """Of most of them it would not say that somebody else has them."""
    listening = host.check_output("ss -Hlntup").splitlines()
    for port in stack.ingress.ports():
        if not port.name.endswith(f"-{slot}"):
            continue
        proto = "udp" if port.proto is Proto.UDP else "tcp"
        found = [x for x in listening if x.startswith(proto) and re.search(rf":{port.range.first}\s", x)]
        assert found, port
        assert all(f"pid={pid}," in line for line in found), port


def test_encoders_come_in_by_the_edge_only(host: Host, stack: HostStack) -> None:
    lines = [x for x in host.check_output("ss -Hltnp").splitlines() if re.search(rf":{stack.edge.rtmp}\s", x)]
    assert lines
    assert all('"haproxy"' in line for line in lines)
    reach = {p.name.partition("-")[0]: p.reach for p in stack.ingress.ports()}
    assert {name for name, each in reach.items() if each is not Reach.LOCAL} == {"media"}


def test_livekit_tells_encoders_the_addresses_of_the_edge(host: Host, stack: HostStack) -> None:
    if stack.livekit is None:
        pytest.skip(f"{stack.host} has no livekit-server in this site")
    address = stack.livekit.node_ip
    assert stack.livekit.ingress == {
        "rtmp_base_url": f"rtmp://{address}:{stack.edge.rtmp}/x",
        "whip_base_url": f"http://{address}:{stack.edge.http}/w",
    }
    asked = f"curl -s -o /dev/null -w '%{{http_code}}' -X OPTIONS http://{address}:{stack.edge.http}/w"
    assert host.check_output(asked) == "204", "WHIP answers there"


def test_its_sandbox_is_tight(host: Host, unit: str) -> None:
    said = host.check_output("systemd-analyze security --no-pager %s", unit)
    exposure = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", said)[1])
    assert exposure <= EXPOSURE


def test_gstreamer_has_what_streams_need(host: Host) -> None:
    """Plugins whose elements upstream makes by name (pkg/media); a lack would show with the first stream only."""
    there = host.check_output("find /usr/lib -path '*/gstreamer-1.0/libgst*.so' -printf '%f '")
    for plugin in ("app", "flv", "libav", "opus", "playback", "videoparsersbad", "vpx", "x264"):
        assert f"libgst{plugin}.so" in there


def test_other_accounts_see_no_processes_but_their_own(host: Host, stack: HostStack, pid: str) -> None:
    """Those of streams have secrets among their arguments."""
    if stack.ingress.process_list != "hide":
        pytest.skip("this site accepts that they do")
    as_nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    assert host.run(f"cat /proc/{pid}/cmdline").rc == 0
    assert host.run(f"{as_nobody} cat /proc/{pid}/cmdline").rc != 0
    assert host.service("livekit-hidepid.service").is_enabled
