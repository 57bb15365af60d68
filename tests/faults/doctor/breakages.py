"""What is broken on purpose, one at a time, and what the doctor must call the cause: shell text for hosts, as data."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stack.site import Site

FIRST, SECOND = 0, 1  # host of the site; Redis and Prometheus are on the first

# What the texts below begin with. @NAME@ is filled in from the site.
_SHELL = r"""set -eu
active=@ACTIVE@; slot=$(sed -n 's/^livekit //p' $active); unit=livekit-server@$slot.service
generation=$(readlink /etc/systemd/system/$unit.d/50-generation.conf || :); generation=${generation%/*}
port=$(sed -n "s/^slot $slot signal \([0-9]*\).*/\1/p" $generation/ports || :)
for other in @SLOTS@; do systemctl is-active -q livekit-server@$other || break; done  # a slot that is empty
case $other in @SPARE@ esac
talk() { perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]); print $s "$ARGV[1]\n";
  print while <$s>' @SOCKET@ "$1"; }
drop() { echo "table inet tests_doctor { chain i { type filter hook $1 priority -300; $2 drop; }; }" | nft -f -; }
allow() { nft delete table inet tests_doctor; }
code() { curl -s -m 2 -o /dev/null -w '%{http_code}' http://127.0.0.1:$port/ || :; }
restart() { systemctl kill -s KILL $unit; systemctl restart $unit; serves; }
serves() { n=0; end=$(($(date +%s) + 60))
  until [ $n -ge 7 ]; do n=$(($n + 1)); [ "$(code)" = 200 ] || n=0; [ $(date +%s) -lt $end ]; sleep 1; done; }
"""


# On every host, when something was mended: HAProxy sees its slot and its peers, Prometheus (where it is) all targets.
SETTLED = """
down() { talk 'show servers state' | awk -v s="livekit_$slot" '($2 == "peers" || $2 == s && $4 == "local") && $6 != 2'
  curl -s -m 2 'http://127.0.0.1:@PROMETHEUS@/api/v1/targets?state=active' | grep -o '"health":"down"'; }
end=$(($(date +%s) + 60)); while [ -n "$(down)" ]; do [ $(date +%s) -lt $end ] || { down >&2; exit 1; }; sleep 0.5; done
"""


@dataclass(frozen=True)
class Breakage:
    """``cause`` is the one row that fails: (check, host judged); its words contain every one of ``words``."""

    name: str
    host: int
    do: str
    undo: str
    cause: tuple[str, int]
    words: str


def filled(text: str, site: Site) -> str:
    """Shell text with the site's own ports and paths in it."""
    livekit, edge = site.livekit, site.on(next(iter(site.hosts))).edge
    assert edge is not None
    values = {
        "ACTIVE": edge.active.file,
        "SOCKET": edge.active.socket,
        "MEDIA": livekit.media_udp,
        "ICE_TCP": livekit.ice_tcp,
        "TURN_UDP": livekit.turn_udp,
        "SLOTS": " ".join(livekit.slots),
        "SPARE": " ".join(f"{s}) spare={livekit.part('ice-tcp', s).first} ;;" for s in livekit.slots),
        "REDIS": site.redis.port,
        "PEER": site.edge.peer,
        "NODE": site.exporters.node,
        "PROMETHEUS": site.prometheus.port,
    }
    return re.sub("@([A-Z_]+)@", lambda found: str(values[found[1]]), _SHELL + text)


def _eaten(name: str, check: str, words: str, rule: str, hook: str = "input") -> Breakage:
    """Packets that a firewall eats on the second host."""
    return Breakage(name, SECOND, f"drop {hook} '{rule}'", "allow", (check, SECOND), words)


TABLE = (
    # but not for relays, which are on the host itself
    _eaten("UDP range closed", "udp", "no media by UDP to", "iifname != lo udp dport @MEDIA@"),
    _eaten("7881 closed", "tcp", "no media by ICE over TCP to", "tcp dport @ICE_TCP@"),
    _eaten("TURN over UDP closed", "turn-udp", "no media by TURN over UDP", "udp dport @TURN_UDP@"),
    _eaten("one node without Redis", "bus", "no way from here to Redis", "tcp dport @REDIS@", hook="output"),
    _eaten("a peer's edge unreachable", "peer", "drops what comes to port", "tcp dport @PEER@"),
    Breakage(
        "Redis down",
        FIRST,
        'systemctl stop livekit-redis; until [ "$(code)" = 406 ]; do sleep 0.5; done',
        "systemctl start livekit-redis; serves",
        ("redis", FIRST),
        "livekit-redis.service is inactive",
    ),
    Breakage(
        "wrong node_ip",
        SECOND,
        "cp -p $generation/$slot.yaml /run/tests-kept\n"
        'sed -i \'s/"node_ip": "[^"]*"/"node_ip": "192.0.2.9"/\' $generation/$slot.yaml; restart',
        "cp -p /run/tests-kept $generation/$slot.yaml; restart",
        ("node_ip", SECOND),
        "tells clients to send media to 192.0.2.9",
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
        "systemctl start $unit; serves",
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
        "ip link set host0 mtu 1500",
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
