"""Kamailio as it runs on a deployed host."""

from __future__ import annotations

import re

import pytest
from testinfra.host import Host

from livekit_metal.roles.kamailio.settings import UNIT
from livekit_metal.site.model import HostStack

EXPOSURE = 1.3
# A request of SIP over UDP from this host to its own address, past the firewall: what came back within 2 s.
_ASK = r"""perl -MIO::Socket::INET -e 'alarm 5; my ($from, $a, $p) = @ARGV;
my $s = IO::Socket::INET->new(Proto => "udp", LocalAddr => $from, PeerAddr => $a, PeerPort => $p) or die "$!\n";
my $me = $s->sockhost . ":" . $s->sockport;
$s->send(join "\r\n", "OPTIONS sip:x\@$a:$p SIP/2.0", "Via: SIP/2.0/UDP $me;branch=z9hG4bK$$", "Max-Forwards: 5",
  "From: <sip:y\@$me>;tag=1", "To: <sip:x\@$a:$p>", "Call-ID: $$\@$me", "CSeq: 1 OPTIONS", "Content-Length: 0", "", "");
my $r = ""; vec($r, fileno($s), 1) = 1; exit 0 unless select($r, undef, undef, 2);
$s->recv(my $said, 4096); print $said' """


@pytest.fixture(autouse=True)
def _only_where_it_runs(stack: HostStack) -> None:
    if stack.kamailio is None:
        pytest.skip(f"{stack.host} takes no phone calls in this site")


def test_it_has_the_ports_for_carriers_and_for_the_slots(host: Host, stack: HostStack) -> None:
    kamailio = stack.kamailio
    assert kamailio
    pids = host.check_output(f"cat /sys/fs/cgroup/system.slice/{UNIT}/cgroup.procs").split()
    lines = [line for line in host.check_output("ss -Hlntup").splitlines() if any(f"pid={p}," in line for p in pids)]
    assert {(line.split()[0], line.split()[4]) for line in lines} == {
        ("udp", f"{kamailio.address}:{kamailio.port}"),
        ("tcp", f"{kamailio.address}:{kamailio.port}"),
        ("udp", f"127.0.0.1:{kamailio.inside}"),
    }


def test_the_stock_unit_stays_away(host: Host) -> None:
    assert host.run("systemctl is-enabled kamailio.service").stdout.strip() == "masked"


def test_new_calls_go_to_the_active_slot(host: Host, stack: HostStack) -> None:
    assert stack.kamailio
    assert stack.sip
    slot = host.check_output(f"sed -n 's/^sip //p' {stack.sip.config_root}/active.map")
    said = host.check_output(f"kamcmd -s unix:{stack.kamailio.socket} dispatcher.list")
    port = stack.sip.part("sip", slot).first
    sets = {part[0]: re.findall(r"URI: (\S+)", part) for part in said.split("ID: ")[1:]}
    uri = f"sip:{stack.sip.address}:{port}"
    assert sets["1"] == [uri]
    assert uri in sets["2"], "what follows in a call reaches it"


def test_who_is_no_trunk_s_gets_no_answer_even_past_the_firewall(host: Host, stack: HostStack) -> None:
    """From the host itself nothing is filtered: this is Kamailio's own silence."""
    assert stack.kamailio
    address, port = stack.kamailio.address, stack.kamailio.port.first
    assert host.check_output(f"{_ASK} {address} {address} {port}") == ""
    inside = host.check_output(f"{_ASK} 127.0.0.1 127.0.0.1 {stack.kamailio.inside.first}")
    assert inside.startswith("SIP/2.0 403"), "the side of the slots answers, and makes no calls"


def test_its_sandbox_is_tight(host: Host) -> None:
    found = re.search(r"exposure level for \S+: ([\d.]+)", host.check_output(f"systemd-analyze security {UNIT}"))
    assert found
    assert float(found[1]) <= EXPOSURE
