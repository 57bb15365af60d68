"""livekit-server as it runs on a deployed host."""

from __future__ import annotations

import re

import pytest
from testinfra.host import Host

from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.site.model import HostStack
from tests.support.hosts.haproxy import active_slot

EXPOSURE = 2.0  # of systemd-analyze security, where 10 is a bare process


@pytest.fixture(autouse=True)
def _only_where_it_runs(stack: HostStack) -> None:
    if stack.livekit is None:
        pytest.skip(f"{stack.host} has no livekit-server in this site")


@pytest.fixture
def slot(host: Host, stack: HostStack) -> str:
    """The active slot, as the running HAProxy has it, and as the file says that it reads when it starts."""
    active = stack.the(Livekit).active
    slot = active_slot(host, active, "livekit")
    assert f"livekit {slot}" in host.file(active.file).content_string.splitlines()
    return slot


@pytest.fixture
def unit(slot: str) -> str:
    return f"livekit-server@{slot}.service"


@pytest.fixture
def pid(host: Host, unit: str) -> str:
    return host.check_output("systemctl show -p MainPID --value %s", unit)


def test_only_the_active_slot_runs(host: Host, stack: HostStack, slot: str) -> None:
    running = host.check_output("systemctl list-units --plain --no-legend --state=active 'livekit-server@*'").split()
    assert running[:1] == [f"livekit-server@{slot}.service"]
    assert len([w for w in running if w.startswith("livekit-server@")]) == 1


def test_the_running_program_is_the_release_of_the_site(host: Host, stack: HostStack, pid: str) -> None:
    said = host.check_output(f"/proc/{pid}/exe --version")
    assert said.split()[-1] == stack.livekit.release


def test_it_answers_and_its_own_process_owns_its_ports(host: Host, stack: HostStack, slot: str, pid: str) -> None:
    signal = stack.livekit.part("signal", slot).first
    assert host.check_output(f"curl -s -o /dev/null -w '%{{http_code}}' http://127.0.0.1:{signal}/") == "200"
    owned = host.check_output("ss -Hltnp")
    for name in ("signal", "metrics", "ice-tcp"):
        port = stack.livekit.part(name, slot).first
        (line,) = [line for line in owned.splitlines() if re.search(rf":{port}\s", line)]
        assert f"pid={pid}," in line
        assert ("127.0.0.1:" in line) == (name != "ice-tcp"), "signalling and metrics are on loopback only"


def test_media_sockets_are_of_its_slot_one_for_each_core(host: Host, stack: HostStack, slot: str, pid: str) -> None:
    """Beside them only TURN's, and relays, which are opened when somebody asks for one."""
    part, turn = stack.livekit.part("media", slot), stack.livekit.part("turn-udp", slot).first
    relay = stack.livekit.part("turn-relay", slot)
    lines = [line for line in host.check_output("ss -Hlunp").splitlines() if f"pid={pid}," in line]
    ports = {int(re.search(r":(\d+)\s", line)[1]) for line in lines}
    ports -= set(range(relay.first, relay.last + 1))
    assert ports == {turn, *range(part.first, part.first + int(host.check_output("nproc")))}


def test_turn_is_where_its_slot_has_it(host: Host, stack: HostStack, slot: str, pid: str) -> None:
    owned = host.check_output("ss -Hlntup").splitlines()
    found = {(line.split()[0], line.split()[4]) for line in owned if f"pid={pid}," in line}
    at, name = stack.livekit.media_address, stack.livekit.turn_name
    assert ("udp", f"{at}:{stack.livekit.part('turn-udp', slot)}") in found
    assert (("tcp", f"{at}:{stack.livekit.part('turn-tls', slot)}") in found) == bool(name)


def test_it_would_start_at_boot_and_no_other_slot_would(host: Host, stack: HostStack, slot: str, unit: str) -> None:
    assert host.service(unit).is_enabled
    condition = host.check_output("systemctl show -p ExecCondition --value %s", unit)
    assert f"livekit {slot}" in host.check_output(f"cat {stack.livekit.active.file}")
    assert stack.livekit.active.file in condition


def test_its_sandbox_is_tight(host: Host, unit: str) -> None:
    said = host.check_output("systemd-analyze security --no-pager %s", unit)
    exposure = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", said)[1])
    assert exposure <= EXPOSURE


def test_no_other_user_can_read_a_secret(host: Host, stack: HostStack, pid: str) -> None:
    secrets = [*(s.reveal() for s in stack.livekit.api_keys.values()), stack.livekit.redis.password.reveal()]
    root = stack.livekit.config_root
    readable = host.run(
        f"setpriv --reuid=65534 --regid=65534 --clear-groups grep -rhs . {root} /etc/systemd/system"
    ).stdout
    assert "livekit-server" in readable, "some files of ours may be read: else this would prove nothing"
    arguments = host.check_output("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '")
    journal = host.check_output("journalctl -u 'livekit-*' --no-pager -o cat")
    environ = host.run(f"setpriv --reuid=65534 --regid=65534 --clear-groups cat /proc/{pid}/environ")
    assert environ.rc != 0
    for secret in secrets:
        assert secret not in readable
        assert secret not in arguments
        assert secret not in journal
