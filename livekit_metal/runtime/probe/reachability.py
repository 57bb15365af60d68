"""Whether packets get from a vantage to a port of a host and back: why a call fails there, in words.

A listener on the host answers on a UDP port that no process has; the vantage sends. No livekit-server takes part.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyinfra.api import QuoteString, StringCommand
from pyinfra.api.host import Host
from pyinfra.connectors.util import make_unix_command_for_host

from livekit_metal.core.ports import PortRange, endpoint
from livekit_metal.runtime.host.commands import HostError, privilege, read
from livekit_metal.runtime.host.connect_errors import BREAKS, broken
from livekit_metal.runtime.host.ssh_tunnels import client
from livekit_metal.runtime.probe.call import Kind, Vantage

# Arguments: any address, a word, the TCP port, first and last UDP port. Answers the word with itself on the first UDP
# port it gets; connections to the TCP port need no answer. Ends with its standard input. perl-base is Essential.
LISTEN = r"""use IO::Socket::IP; use IO::Select; alarm 60; $| = 1;
my ($any, $word, $tcp, $first, $last) = @ARGV; my ($u, $n) = (undef, 0);
for ($first .. $last) { $u = IO::Socket::IP->new(LocalHost => $any, LocalPort => $_, Proto => "udp") and last }
my $t = IO::Socket::IP->new(LocalHost => $any, LocalPort => $tcp, Proto => "tcp", Listen => 9, ReuseAddr => 1);
print "ready ", ($u ? $u->sockport : 0), "\n";
my $s = IO::Select->new(\*STDIN, $u ? $u : ());
WAIT: while (1) { for my $h ($s->can_read) {
  if ($u && $h == $u) { my $from = $u->recv(my $b, 99); if ($b eq $word) { $n++; $u->send($b, 0, $from) } }
  else { sysread(STDIN, my $b, 99) or last WAIT } } }
print "arrived $n\n";
"""
# Arguments: address, UDP port (0: none), TCP port, the word.
_SEND = """import json, socket, sys
address, udp, tcp, word = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4].encode()
family, back, opens = socket.AF_INET6 if ":" in address else socket.AF_INET, False, True
with socket.socket(family, socket.SOCK_DGRAM) as s:
    s.settimeout(0.5)
    for _ in range(6 if udp else 0):
        try:
            s.sendto(word, (address, udp))
            back = s.recv(99) == word
        except OSError:
            continue
        if back:
            break
try:
    socket.create_connection((address, tcp), timeout=3).close()
except OSError:
    opens = False
print(json.dumps({"back": back, "tcp": opens}))
"""
_WHO = {"controller": "the controller", "host": "the host itself", "peer": "its peer {}"}


@dataclass(frozen=True, slots=True)
class MediaTarget:
    """Where media of one slot goes: the address that clients are told, and the slot's ports (``tcp`` 0: none)."""

    address: str
    udp: PortRange
    tcp: int


@dataclass(frozen=True, slots=True)
class Reachability:
    """What got through: datagrams that arrived, whether one came back, whether TCP opened. ``udp`` 0: none was free."""

    udp: int
    arrived: int
    back: bool
    tcp: bool


def verdict(host: Host, vantage: Vantage, goal: MediaTarget) -> str:
    """``path: fact; remedy`` for a call without media: the way there, or the release. '' when that cannot be told."""
    if client(host) is None:
        return ""
    try:
        place = vantage.place(host)
        return words(vantage, place.name if place else "", goal, _tried(host, place, goal))
    except HostError as error:
        return f"(whether packets get there could not be tried: {error})"


def words(vantage: Vantage, place: str, goal: MediaTarget, found: Reachability) -> str:
    """The verdict on what was found."""
    who, tcp = _WHO[vantage.kind].format(place), f"TCP to {endpoint(goal.address, goal.tcp)}"
    where = endpoint(goal.address, found.udp)
    if found.udp == 0:
        if found.tcp or not goal.tcp:
            return ""
        fact = f"{tcp} does not open from {who}"
    elif found.back:
        through = "UDP and TCP get" if found.tcp else "UDP gets"
        fact = f"media does not flow through the release although {through} through from {who} to {goal.address}"
        return f"livekit.release: {fact}; see its journal below, then change release or configuration"
    elif found.arrived:
        fact = f"UDP from {who} reaches {where}, the answer does not come back"
    elif goal.tcp and not found.tcp:
        fact = f"neither UDP ({found.udp}) nor TCP ({goal.tcp}) from {who} reaches {goal.address}"
    else:
        fact = f"UDP from {who} does not reach {where}"
    return (
        f"livekit.probe: {fact} (a firewall or NAT between); set livekit.probe to {_others(vantage)}, or open the way"
    )


def _others(vantage: Vantage) -> str:
    kinds: tuple[Kind, ...] = ("controller", "host", *(("peer",) if vantage.peers else ()))
    return " or ".join(kind for kind in kinds if kind != vantage.kind)


def _tried(host: Host, place: Host | None, goal: MediaTarget) -> Reachability:
    word = f"livekit-metal {secrets.token_hex(8)}"
    with _listening(host, goal, word) as listener:
        arguments = (goal.address, str(listener.udp), str(goal.tcp), word)
        if place is None:
            command = [sys.executable, "-c", _SEND, *arguments]
            said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout
        else:
            said = read(place, 'python3 -I -c "$@"', _SEND, *arguments)
        sent = json.loads(said)
        return Reachability(listener.udp, listener.end(), sent["back"], sent["tcp"])


class _Listener:
    def __init__(self, channel: Any) -> None:
        self._channel, self._said = channel, channel.makefile()
        self.udp = self._number("ready")

    def end(self) -> int:
        """How many datagrams arrived."""
        self._channel.shutdown_write()
        return self._number("arrived")

    def _number(self, word: str) -> int:
        said = self._said.readline().split()
        if said[:1] != [word]:
            why = self._channel.makefile_stderr().read().decode(errors="replace").strip()
            raise HostError(why or "the listener said nothing")
        return int(said[1])


@contextmanager
def _listening(host: Host, goal: MediaTarget, word: str) -> Iterator[_Listener]:
    any_address = "::" if ":" in goal.address else "0.0.0.0"  # noqa: S104 - where livekit-server listens too
    arguments = (any_address, word, str(goal.tcp), str(goal.udp.first), str(goal.udp.last))
    raw = StringCommand("perl", "-e", QuoteString(LISTEN), *map(QuoteString, arguments))
    command = make_unix_command_for_host(host.state, host, raw, **privilege(host)).get_raw_value()
    channel = None
    try:
        channel = client(host).get_transport().open_session()
        channel.settimeout(30)
        channel.exec_command(command)
        yield _Listener(channel)
    except BREAKS as error:
        raise HostError(broken(host, error)) from error
    finally:
        if channel:
            channel.close()
