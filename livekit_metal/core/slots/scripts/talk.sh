# A line to HAProxy's admin $socket, its whole answer back. The directory is HAProxy's, and where a link of
# its leads root must not go: whoever asks becomes the owner of what lies there first. perl-base is Essential in Debian
# and Ubuntu; socat would be one more package, and by default gives an answer half a second only.
# shellcheck disable=SC2154
talk() { perl -MIO::Socket::UNIX -e 'alarm 5; my ($u, $g) = (lstat $ARGV[0])[4, 5];
  if (defined $u && $u != $>) { ($(, $)) = ($g, "$g $g"); ($<, $>) = ($u, $u); $> == $u or die "$u: $!\n" }
  my $s = IO::Socket::UNIX->new(Peer => $ARGV[0])
  or die "HAProxy does not answer on $ARGV[0]: $!\n"; print $s "$ARGV[1]\n"; print while <$s>' "$socket" "$1"; }
