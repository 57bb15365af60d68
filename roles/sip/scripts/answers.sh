# $1 health, $2 address, $3 SIP: the unit's own process has the ports, is in Redis (its health answers only then; 429 is
# a busy host), and answers an OPTIONS of SIP. For until.sh
# shellcheck disable=SC2154
pid=$(systemctl show -p MainPID --value "$unit")
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
