"""The running HAProxy of a host, asked on its admin socket: what it does, whatever its files say."""

from __future__ import annotations

from testinfra.host import Host

from livekit_metal.core.slots.active import Active

_ASK = """perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "$ARGV[0]: $!\\n";
print $s "$ARGV[1]\\n"; print while <$s>' %s %s"""


def active_slot(host: Host, active: Active, component: str) -> str:
    """The slot that new sessions of ``component`` are led to."""
    said: str = host.check_output(_ASK, active.socket, f"show map {active.file}")
    (slot,) = [words[2] for line in said.splitlines() if (words := line.split())[1:2] == [component]]
    return slot
