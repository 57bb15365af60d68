# The address that this host has outside, as STUN servers see it (RFC 8489). $1 is the address that it asks from, then
# the servers as host:port. A line for each: the server, and the address, or '-' when it has not answered.
perl -e '
use IO::Socket::IP; use IO::Select; use Socket qw(inet_ntop AF_INET AF_INET6);
my ($from, @servers) = @ARGV; my $cookie = pack("N", 0x2112A442);
open(my $random, "<", "/dev/urandom") or exit 1;
sub mapped {
  my ($text, $id) = @_;
  my $length = length $text;
  return "" unless $length >= 20 && substr($text, 0, 2) eq "\x01\x01" && substr($text, 4, 16) eq "$cookie$id";
  for (my $at = 20; $at + 4 <= $length;) {
    my ($kind, $size) = unpack("nn", substr($text, $at, 4)); my $value = substr($text, $at + 4, $size);
    if ($kind == 0x20 && $size == length($value) && ($size == 8 || $size == 20)) {
      return inet_ntop($size == 8 ? AF_INET : AF_INET6, substr($value, 4) ^ substr("$cookie$id", 0, $size - 4));
    }
    $at += 4 + $size + (-$size % 4);
  }
  return "";
}
for my $server (@servers) {
  my ($name, $port) = $server =~ /^\[?(.*?)\]?:(\d+)$/; my $found = "";
  my $socket = IO::Socket::IP->new(LocalHost => $from, PeerHost => $name, PeerPort => $port, Proto => "udp");
  for my $try ($socket ? (1 .. 3) : ()) {
    sysread($random, my $id, 12); $socket->send(pack("nn", 1, 0) . "$cookie$id") or next;
    IO::Select->new($socket)->can_read(0.7) or next;
    $socket->recv(my $text, 1500); $found = mapped($text, $id) and last;
  }
  print "$server ", $found || "-", "\n";
}' "$@"
