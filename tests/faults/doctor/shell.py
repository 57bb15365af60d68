"""What the breakages are written in: shell text with names of the site in it, and words for it."""

from __future__ import annotations

import re

from livekit_metal.site.model import Site

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
restart() { n=2; timeout 5 systemctl stop $unit || { n=7; systemctl kill -s KILL $unit; }
  systemctl start $unit; serves $n; }  # one that was killed stands in Redis, and is sent rooms, for 5 s
of() { sed -n "s/^$1 //p" $active; }  # slot of a daemon, its unit, the directory of its generation
unit() { echo livekit-$1@$(of $1).service; }
made() { d=$(readlink /etc/systemd/system/$(unit $1).d/50-generation.conf); echo ${d%/*}; }
healthy() { end=$(($(date +%s) + 60)); p=$(sed -n "s/^slot $(of $1) .*\<health \([0-9]*\).*/\1/p" $(made $1)/ports)
  until [ "$(curl -s -m 2 -o /dev/null -w '%{http_code}' http://127.0.0.1:$p/)" = 200 ]
  do [ $(date +%s) -lt $end ]; sleep 0.5; done; }
again() { systemctl kill -s KILL $(unit $1); systemctl restart $(unit $1); healthy $1; }
serves() { n=0; end=$(($(date +%s) + 60))  # so many seconds on end
  until [ $n -ge $1 ]; do n=$(($n + 1)); [ "$(code)" = 200 ] || n=0; [ $(date +%s) -lt $end ]; sleep 1; done; }
# connections with a mark, which would stay for a minute or two: ctnetlink's IPCTNL_MSG_CT_DELETE with CTA_MARK
forget() { perl -e 'socket(my $s, 16, 3, 12) or die $!; send($s, pack("LS2L2C2nS2N", 28, 0x102, 5, 1, 0, 0, 0, 0, 8, 8,
  shift), 0); recv($s, my $said, 4096, 0); die $! if $! = -unpack("x16l", $said)' $1; }
shows() { cp -p @CERTIFICATE@ /run/tests-kept; cat $1 >@CERTIFICATE@; systemctl reload livekit-edge; }
"""


# On every host, when something was mended: HAProxy sees its slot and its peers.
SETTLED = """
down() { talk 'show servers state' | awk -v s="livekit_$slot" '
  ($2 == "peers" || $2 == s && $4 == "local") && $6 != 2'; }
end=$(($(date +%s) + 60)); while [ -n "$(down)" ]; do [ $(date +%s) -lt $end ] || { down >&2; exit 1; }; sleep 0.5; done
"""


def filled(text: str, site: Site, host: str) -> str:
    """Shell text for ``host``, with the words above."""
    return values(_SHELL + text, site, host)


def values(text: str, site: Site, host: str) -> str:
    """A text with the site's own ports and paths in it."""
    livekit, edge = site.livekit, site.for_host(host).edge
    assert edge is not None
    known = {
        "ACTIVE": edge.active.file,
        "SOCKET": edge.active.socket,
        "MEDIA": livekit.media_udp,
        "ICE_TCP": livekit.ice_tcp,
        "TURN_UDP": livekit.turn_udp,
        "TURN_TLS": livekit.turn_tls,
        "SLOTS": " ".join(livekit.slots),
        "SPARE": " ".join(f"{s}) spare={livekit.part('ice-tcp', s).first} ;;" for s in livekit.slots),
        "REDIS": site.redis.port,
        "PEER": site.edge.peer,
        "NODE": site.exporters.node,
        "SIX": site.hosts[host].ipv6,
        "CERTIFICATE": edge.certificate_file,
        "CONNTRACK": "/proc/sys/net/netfilter/nf_conntrack",
    }
    return re.sub("@([A-Z_]+)@", lambda found: str(known[found[1]]), text)
