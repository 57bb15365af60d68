"""The edge as it runs on a deployed host."""

from __future__ import annotations

import re
import time

import pytest
from testinfra.host import Host

from livekit_metal.core.ports import Reach
from livekit_metal.roles.edge.settings import Settings
from livekit_metal.site.model import HostStack

UNIT = "livekit-edge.service"
# A service that answers with the path it is asked for; a minimal python3 has no http.server. Arguments: address, port.
SAYS_PATHS = """use IO::Socket::INET;
my $s = IO::Socket::INET->new(LocalAddr => shift, LocalPort => shift, Listen => 9, ReuseAddr => 1) or die;
while (my $c = $s->accept) {
  my ($path) = (<$c> // "") =~ m{ (\\S+) };
  while (<$c>) { last unless /\\S/ }
  print $c "HTTP/1.0 200 OK\\r\\n\\r\\n$path" if $path;
  close $c;
}"""


@pytest.fixture
def edge(stack: HostStack) -> Settings:
    if stack.edge is None:
        pytest.skip(f"{stack.host} has no edge in this site")
    return stack.edge


def curl(host: Host, url: str) -> tuple[int, str]:
    """Status and body, as the host itself gets them."""
    said = host.run("curl -s -m 5 -w '\\n%%{http_code}' %s", url).stdout
    body, _, status = said.rpartition("\n")
    return int(status), body


def active(host: Host, edge: Settings) -> str:
    words = [line.split() for line in host.file(edge.active.file).content_string.splitlines()]
    return next(slot for component, slot in words if component == "livekit")


def test_it_listens_where_the_registry_says(host: Host, stack: HostStack, edge: Settings) -> None:
    for port in (p for p in stack.ports if p.owner == "edge"):
        lines = host.check_output("ss -Hltn 'sport = :%s'", str(port.range)).splitlines()
        addresses = {line.split()[3].rpartition(":")[0].strip("[]") for line in lines}
        inside = {"127.0.0.1"} if port.reach is Reach.LOCAL else {edge.cluster_address}
        everywhere = set(port.addresses) or {"0.0.0.0", "::"}
        assert addresses == (everywhere if port.reach is Reach.PUBLIC else inside), str(port)


def test_clients_and_the_others_reach_the_active_slot(host: Host, edge: Settings) -> None:
    for url in (f"http://127.0.0.1:{edge.http}/", f"http://{edge.endpoints['peer']}/"):
        assert curl(host, url) == (200, "OK"), url


def test_a_service_of_somebody_else_is_asked_by_its_path(host: Host, edge: Settings) -> None:
    """It is away at first, which is nothing to calls."""
    if not edge.backends:
        pytest.skip("this site has LiveKit alone")
    ((name, service),) = edge.backends.items()
    url, (address, _, port) = f"http://127.0.0.1:{edge.http}", service.server.rpartition(":")
    assert curl(host, f"{url}{service.paths[0]}/etc/hostname")[0] == 503
    host.check_output(f"systemd-run -q --unit tests-{name} perl -e %s {address} {port}", SAYS_PATHS)
    try:
        end = time.monotonic() + 30
        while (said := curl(host, f"{url}{service.paths[0]}/etc/hostname"))[0] == 503:
            assert time.monotonic() < end, "HAProxy does not see the service"
            time.sleep(0.2)
        assert said == (200, "/etc/hostname")
        assert curl(host, f"{url}/") == (200, "OK"), "LiveKit is where it was"
    finally:
        host.check_output(f"systemctl stop tests-{name}")


def test_every_other_edge_is_seen_to_work(host: Host, edge: Settings) -> None:
    if not edge.monitored:
        pytest.skip("no metrics without a Prometheus")
    metrics = curl(host, f"http://{edge.endpoints['metrics']}/metrics")[1]
    for peer in edge.peers:
        assert f'haproxy_server_status{{proxy="peers",server="{peer}",state="UP"}} 1' in metrics


def test_haproxy_runs_the_configuration_that_is_written(host: Host, edge: Settings) -> None:
    written = re.search(r"^    description (\S+)$", host.file(edge.config_file).content_string, re.MULTILINE)
    assert written
    ask = (
        "import socket; s = socket.socket(socket.AF_UNIX); "
        f"s.connect('{edge.active.socket}'); s.sendall(b'show info\\n'); print(s.makefile().read())"
    )
    assert f"description: {written[1]}" in host.check_output("python3 -c %s", ask).splitlines()


def test_metrics_tell_of_every_slot(host: Host, edge: Settings) -> None:
    if not edge.monitored:
        pytest.skip("no metrics without a Prometheus")
    at = f"http://{edge.endpoints['metrics']}"
    assert curl(host, f"{at}/metrics")[0] == 200
    for slot in edge.slots:
        status, said = curl(host, f"{at}/livekit/{slot.name}")
        assert status == 200, slot
        runs = host.run("systemctl is-active %s", edge.slot_unit.format(slot.name)).stdout.strip() == "active"
        assert ("livekit_participant_total" in said) == runs, slot
    assert "livekit_participant_total" in curl(host, f"{at}/livekit/{active(host, edge)}")[1]
    assert curl(host, f"{at}/")[0] == 404


def test_it_runs_with_few_rights(host: Host, edge: Settings) -> None:
    pid = host.check_output("systemctl show -p MainPID --value %s", UNIT)
    processes = host.process.filter(comm="haproxy")
    assert {p.user for p in processes} == {"haproxy"}
    assert int(pid) in {p.pid for p in processes}
    socket = host.file(edge.active.socket)
    assert (socket.mode, socket.user) == (0o600, "haproxy")
    config = host.file(edge.config_file)
    assert (config.mode, config.user, config.group) == (0o640, "root", "haproxy")
    told = host.check_output("systemd-analyze security --no-pager %s", UNIT)
    exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", told)
    assert exposure
    assert float(exposure[1]) <= 2.0


def test_it_may_open_two_files_for_each_connection(host: Host, edge: Settings) -> None:
    pid = host.check_output("systemctl show -p MainPID --value %s", UNIT)
    limit = re.search(r"Max open files\s+(\d+)", host.file(f"/proc/{pid}/limits").content_string)
    connections = re.search(r"^    maxconn (\d+)$", host.file(edge.config_file).content_string, re.MULTILINE)
    assert limit
    assert connections
    assert 2 * int(connections[1]) < int(limit[1])


def test_debians_own_haproxy_stays_off(host: Host, edge: Settings) -> None:
    assert host.check_output("systemctl show -p LoadState --value haproxy.service") == "masked"
