"""Which slot of a component gets new sessions: where that is written on a host, and how HAProxy hears of a change."""

from __future__ import annotations

from dataclasses import dataclass

# Shell text: a line to HAProxy's admin $socket, its whole answer back. The directory is HAProxy's, and where a link of
# its leads root must not go: whoever asks becomes the owner of what lies there first. perl-base is Essential in Debian
# and Ubuntu; socat would be one more package, and by default gives an answer half a second only.
TALK = r"""
talk() { perl -MIO::Socket::UNIX -e 'alarm 5; my ($u, $g) = (lstat $ARGV[0])[4, 5];
  if (defined $u && $u != $>) { ($(, $)) = ($g, "$g $g"); ($<, $>) = ($u, $u); $> == $u or die "$u: $!\n" }
  my $s = IO::Socket::UNIX->new(Peer => $ARGV[0])
  or die "HAProxy does not answer on $ARGV[0]: $!\n"; print $s "$ARGV[1]\n"; print while <$s>' "$socket" "$1"; }
"""


@dataclass(frozen=True, slots=True)
class Active:
    """``file`` is one text file with a line ``component slot`` for each component; it is the truth.

    HAProxy reads it as a map when it starts or reloads; between these, its admin ``socket`` tells it of a change.
    """

    file: str = ""
    socket: str = ""
