"""What is broken on purpose, one at a time, and what the doctor must call the cause: shell text for hosts, as data."""

from __future__ import annotations

from tests.faults.doctor.breakage import FIRST, SECOND, Breakage
from tests.faults.doctor.ways import WAYS
from tests.support.programs.certificates import unfit

TABLE = (
    *WAYS,
    Breakage(
        "Redis down",
        FIRST,
        'systemctl stop livekit-redis; until [ "$(code)" = 406 ]; do sleep 0.5; done',
        "systemctl start livekit-redis; serves 7",
        ("redis", FIRST),
        "livekit-redis.service is inactive",
    ),
    Breakage(
        "wrong node_ip",
        SECOND,
        "cp -p $generation/$slot.yaml /run/tests-kept\n"
        'sed -i \'s/"node_ip": "[^",]*/"node_ip": "192.0.2.9/\' $generation/$slot.yaml; restart',
        "cp -p /run/tests-kept $generation/$slot.yaml; restart",
        ("node_ip", SECOND),
        "tells clients to send media to 192.0.2.9",
    ),
    Breakage(
        "TURN down",
        SECOND,
        "cp -p $generation/$slot.yaml /run/tests-kept\n"
        """sed -i '/"turn": {/,/}/s/"enabled": true/"enabled": false/' $generation/$slot.yaml; restart""",
        "cp -p /run/tests-kept $generation/$slot.yaml; restart",
        ("turn", SECOND),
        "does not tell clients of TURN over UDP and TURN over TLS",
    ),
    Breakage(
        "TURN over TLS closed behind HAProxy",
        SECOND,
        "nft insert rule inet livekit_metal input tcp dport @TURN_TLS@ drop comment '\"tests\"'",
        "nft delete rule inet livekit_metal input handle "
        "$(nft -a list chain inet livekit_metal input | sed -n 's/.*\"tests\".*# handle //p')",
        ("turn-tls", SECOND),
        "no media by TURN over TLS",
    ),
    Breakage(
        "the certificate is not for the name of TURN",
        SECOND,
        "shows /run/tests-certificate",
        "cat /run/tests-kept >@CERTIFICATE@; systemctl reload livekit-edge",
        ("turn-cert", SECOND),
        "Hostname mismatch",
        lambda site, host: {"/run/tests-certificate": unfit(site, host, without_turn=True)},
    ),
    Breakage(
        "a certificate that has expired",
        SECOND,
        "shows /run/tests-certificate",
        "cat /run/tests-kept >@CERTIFICATE@; systemctl reload livekit-edge",
        ("tls", SECOND),
        "certificate has expired",
        lambda site, host: {"/run/tests-certificate": unfit(site, host, expired=True)},
    ),
    Breakage(
        "the firewall's table of connections full",
        SECOND,
        # datagrams on loopback, each of another address and port: the limit is that of all hosts of a kernel
        "echo 'table ip tests_doctor { chain o { type filter hook output priority -150; ip daddr 127.9.0.0/16 ct mark"
        " set 7; }; }' | nft -f -\n"
        "perl -MSocket -e 'my ($n, $most) = (0, $ARGV[0]); for my $a (1 .. 99) { socket(my $s, PF_INET, SOCK_DGRAM, 0);"
        ' bind($s, sockaddr_in(0, inet_aton("127.8.0.$a"))) or die; for my $p (1024 .. 60000) { $n++ < $most or exit;'
        ' send($s, "x", 0, sockaddr_in($p, inet_aton("127.9.0.$a"))) } }\' $(($(cat @CONNTRACK@_max) * 95 / 100))',
        "nft delete table ip tests_doctor; forget 7; [ $(cat @CONNTRACK@_count) -lt $(($(cat @CONNTRACK@_max) / 2)) ]",
        ("conntrack", SECOND),
        "table of connections is full",
    ),
    Breakage(
        "egress with another API key",
        SECOND,
        "at=$(made egress)/$(of egress).yaml; cp -p $at /run/tests-kept\n"
        'sed -i \'s/"api_secret": "....../"api_secret": "abcdef/\' $at; again egress',
        "cp -p /run/tests-kept $(made egress)/$(of egress).yaml; again egress",
        ("egress-keys", SECOND),
        "has an API key that is not in the secrets file",
    ),
    Breakage(
        "egress stopped",
        SECOND,
        "systemctl kill -s KILL $(unit egress); systemctl stop $(unit egress)",
        "systemctl start $(unit egress); healthy egress",
        ("egress", SECOND),
        "new recordings go to slot",
    ),
    Breakage(
        "ingress hangs",
        SECOND,
        "systemctl kill -s STOP $(unit ingress)",
        "systemctl kill -s CONT $(unit ingress); healthy ingress",
        ("ingress", SECOND),
        "says HTTP 000",
    ),
    Breakage(
        "livekit-sip stopped",
        SECOND,
        "systemctl kill -s KILL $(unit sip); systemctl stop $(unit sip)",
        "systemctl start $(unit sip); healthy sip",
        ("sip", SECOND),
        "new phone calls go to slot",
    ),
    Breakage(
        "Kamailio down",
        SECOND,
        "systemctl stop livekit-kamailio",
        "systemctl start livekit-kamailio",
        ("kamailio", SECOND),
        "Kamailio does not answer",
    ),
    Breakage(
        "another API secret",
        SECOND,
        "cp -p $generation/keys.yaml /run/tests-kept; sed -i 's/: \"....../: \"abcdef/' $generation/keys.yaml; restart",
        "cp -p /run/tests-kept $generation/keys.yaml; restart",
        ("keys", SECOND),
        "has other API keys than the secrets file",
    ),
    Breakage(
        "new sessions go to a dead slot",
        SECOND,
        'cp -p $active /run/tests-kept; sed -i "s/^livekit .*/livekit $other/" $active\n'
        'talk "set map $active livekit $other"',
        "cp -p /run/tests-kept $active; slot=$(sed -n 's/^livekit //p' $active)\n"
        'talk "set map $active livekit $slot"',
        ("slot", SECOND),
        "which is empty",
    ),
    Breakage(
        "HAProxy follows another slot than the active file",
        SECOND,
        'talk "set map $active livekit $other"',
        'talk "set map $active livekit $slot"',
        ("edge", SECOND),
        "the active file says",
    ),
    Breakage(
        "the slot that serves stopped",
        SECOND,
        "systemctl kill -s KILL $unit; systemctl stop $unit",
        "systemctl start $unit; serves 2",
        ("slot", SECOND),
        "which is empty",
    ),
    Breakage(
        "HAProxy down",
        SECOND,
        "systemctl stop livekit-edge",
        "systemctl start livekit-edge",
        ("edge", SECOND),
        "HAProxy does not answer",
    ),
    Breakage(
        "MTU too small",
        SECOND,
        "ip link set host0 mtu 1000",
        "ip link set host0 mtu 1500; ip address replace @SIX@/64 dev host0 nodad; serves 7",
        ("mtu", SECOND),
        "host0 takes packets of 1000 bytes",
    ),
    Breakage(
        "a foreign process on a port",
        SECOND,
        "setsid perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(LocalPort => $ARGV[0], Listen => 1); "
        "sleep 600' $spare </dev/null >/dev/null 2>&1 &\n"
        'echo $! >/run/tests-kept; until ss -Hltn "sport = :$spare" | grep -q .; do sleep 0.1; done',
        "kill $(cat /run/tests-kept)",
        ("port", SECOND),
        "is taken by perl",
    ),
    Breakage(
        "a port of the cluster open to all",
        SECOND,
        "nft insert rule inet livekit_metal input tcp dport @NODE@ accept comment '\"tests\"'",
        "nft delete rule inet livekit_metal input handle "
        "$(nft -a list chain inet livekit_metal input | sed -n 's/.*\"tests\".*# handle //p')",
        ("closed", SECOND),
        "takes connections from here",
    ),
    Breakage(
        "an exporter down",
        SECOND,
        "systemctl stop livekit-node-exporter",
        "systemctl start livekit-node-exporter",
        ("targets", SECOND),
        "no metrics of node",
    ),
)
