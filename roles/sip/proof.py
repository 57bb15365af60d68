"""What a slot of livekit-sip must show before calls may reach it."""

from __future__ import annotations

from pyinfra.api.host import Host

from livekit_metal.roles.sip.settings import Settings
from livekit_metal.runtime.host.commands import HostError, read
from livekit_metal.runtime.host.sandbox import ask_inside
from livekit_metal.runtime.host.wait import journal, until
from livekit_metal.runtime.slots import proof
from livekit_metal.runtime.slots.proof import ALIVE

# livekit-sip has no checker. What can be found without starting it: a library that is missing, a server that does not
# answer at ws_url (it would say so with the first call only).
_RUNS = r"""said=$("$1" --version 2>&1) || { echo "the program does not run here: $said"; exit 1; }
case $said in *[0-9].[0-9]*) ;; *) echo "the program tells no version: $said"; exit 1 ;; esac"""
_LIVEKIT = r"""code=$(curl -s -m 5 -o /dev/null -w '%{http_code}' "$1") || :
[ "$code" = 200 ] || { echo "ws_url: LiveKit at $1 answers with ${code:-nothing}; does a slot of livekit-server serve?"
  exit 1; }"""
# $1 health, $2 address, $3 SIP: the unit's own process has the ports, is in Redis (its health answers only then; 429 is
# a busy host), and answers an OPTIONS of SIP.
_ANSWERS = r"""pid=$(systemctl show -p MainPID --value $unit)
ss -Hlunp "sport = :$3" | grep -q "pid=$pid," || { echo "it does not listen on $3/udp"; return 1; }
code=$(curl -s -m 2 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$1/")
case $code in 200 | 429) ;; *) echo "health says $code"; return 1 ;; esac
perl -MIO::Socket::INET -e 'alarm 2; my ($a, $p) = @ARGV;
  my $s = IO::Socket::INET->new(Proto => "udp", PeerAddr => $a, PeerPort => $p) or die "$!\n";
  my $me = $s->sockhost . ":" . $s->sockport; my $id = $$ . time;
  $s->send(join "\r\n", "OPTIONS sip:ready\@$a:$p SIP/2.0", "Via: SIP/2.0/UDP $me;branch=z9hG4bK$id",
    "Max-Forwards: 5", "From: <sip:deploy\@$me>;tag=$id", "To: <sip:ready\@$a:$p>", "Call-ID: $id\@$me",
    "CSeq: 1 OPTIONS", "Contact: <sip:deploy\@$me>", "Content-Length: 0", "", "");
  $s->recv(my $said, 4096); die "no answer to OPTIONS\n" unless $said =~ m,^SIP/2.0 200 ,' "$2" "$3"
"""


class Proof(proof.Proof[Settings]):
    """Of livekit-sip."""

    def check(self, host: Host, slot: str) -> None:
        """The program runs on this host, in its sandbox, and LiveKit answers where calls will be taken to."""
        http = self.settings.ws_url.replace("ws", "http", 1)
        try:
            ask_inside(host, self.generation.drop_in(slot), _RUNS, self.program)
            read(host, _LIVEKIT, http)
        except HostError as error:
            raise HostError(f"slot {slot} would not work: {error}") from error

    def ready(self, host: Host, slot: str, fresh: bool) -> None:
        """Its process has its ports, is connected to Redis and speaks SIP.

        ``fresh``: it was started just now, so a restart by systemd means that it cannot start.
        """
        unit, test = self.unit(slot), (ALIVE if fresh else "") + _ANSWERS
        health, sip = (self.port(name, slot) for name in ("health", "sip"))
        try:
            until(host, f"slot {slot} answers SIP on port {sip}", unit, test, health, self.settings.address, sip)
        except HostError as error:
            raise HostError(
                f"{error}\n{journal(host, unit)}" if "last words" not in str(error) else str(error)
            ) from error
