"""What the doctor asks a host beyond what preflight and status ask: a part of one look."""

from __future__ import annotations

import dataclasses
import shlex
from typing import TYPE_CHECKING

from livekit_metal.core import records, shell
from livekit_metal.core.redis_client import RedisClient
from livekit_metal.core.switches import Switches
from livekit_metal.diagnosis.on_host import cores, rules, services
from livekit_metal.roles.base.settings import Settings as Base
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.roles.livekit import occupancy
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.roles.preflight.queries import probes as preflight_probes
from livekit_metal.roles.preflight.settings import Settings as Preflight
from livekit_metal.runtime.host import old_code
from livekit_metal.runtime.host.state import StateQuery
from livekit_metal.runtime.run import maintenance
from livekit_metal.runtime.run.turns import modules
from livekit_metal.runtime.slots import active_slot
from livekit_metal.runtime.slots.occupancy import OccupancyQuery

if TYPE_CHECKING:
    from livekit_metal.site.model import HostStack

_ASK, RULES = shell.program(__file__, "livekit"), shell.program(__file__, "rules")
# Arguments: host, port, user ('' for the default one); the password is in the environment. As any client logs in.
_LOG_IN = r"""use IO::Socket::IP; my ($host, $port, $user) = @ARGV; my $secret = $ENV{REDISCLI_AUTH};
alarm 4; $SIG{ALRM} = sub { print "silent\n"; exit };
my $s = IO::Socket::IP->new(PeerHost => $host, PeerPort => $port, Timeout => 2) or print("closed $!\n"), exit;
sub told { print $s "*" . @_ . "\r\n", map { "\$" . length . "\r\n$_\r\n" } @_;
  my $said = <$s> // ""; $said =~ s/\s+$//; $said }
if (length $secret) {
  my $said = told("AUTH", length $user ? $user : (), $secret); $said eq "+OK" or print("refused $said\n"), exit }
print "said ", told("PING"), "\n";"""
_LINK = """dev=$(ip -o addr show to {address} | awk '{{ print $2; exit }}'); [ -z "$dev" ] ||
echo "$dev $(cat /sys/class/net/$dev/mtu)\""""
CONNTRACK = "cd /proc/sys/net/netfilter && cat nf_conntrack_count nf_conntrack_max"


def question(stack: HostStack) -> OccupancyQuery:
    """About every slot of livekit-server that runs."""
    return dataclasses.replace(occupancy.question(stack.the(Livekit)), ask=_ASK)


def needs(stack: HostStack, given: Switches | None = None) -> StateQuery:
    """What to look at on one host, and to do there where a switch asks for it."""
    probes = [
        *preflight_probes(stack.the(Preflight)),
        ("doctor.conntrack", CONNTRACK),
        (rules.PROBE, RULES),
        *services.probes(stack),
    ]
    units = {"firewalld.service", "nftables.service", *stack.the(Base).daemons}
    if stack.of(Livekit) and stack.of(Edge):
        said = active_slot.question(
            stack.the(Edge).active, "show info", f"show map {stack.the(Edge).active.file}", "show servers state"
        )
        program, words = cores.question(stack)
        probes += [
            question(stack).probe,
            ("doctor.link", _LINK.format(address=shlex.quote(stack.the(Livekit).media_address))),
            ("doctor.edge", f"{said} | sed '/^#/d'"),  # a look's own lines begin so
            ("doctor.bus", _bus(stack.the(Livekit).redis)),
            (cores.PROBE, f"(\n{shell.given(program, *words)})"),
        ]
    marker = maintenance.needs(records.maintenance(stack.the(Edge).config_root)) if stack.of(Edge) else StateQuery()
    for own, doctor in modules(stack, "doctor"):
        marker |= doctor.needs(own)
        if given and hasattr(doctor, "requested"):
            marker |= doctor.requested(own, given)
    return StateQuery(units=frozenset(units), queries=tuple(probes)) | marker | old_code.needs()


def _bus(redis: RedisClient) -> str:
    if redis.tls or not redis.address:
        return "echo other"  # whether livekit-server is ready tells it
    host, _, port = redis.address.rpartition(":")
    password = redis.password.reveal() if redis.password else ""
    words = shlex.join(["perl", "-e", _LOG_IN, host.strip("[]"), port, redis.username])
    return f"REDISCLI_AUTH={shlex.quote(password)} {words}"
