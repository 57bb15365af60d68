"""A carrier outside of a router that translates the host's address: two network namespaces beside the lab's."""

from __future__ import annotations

import contextlib
import ipaddress
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from testinfra.host import Host

from lab.run import wait_until
from tests.support.hosts.lab import Lab

OUTSIDE = "198.51.100.5"
# $1 the lab's name, $2 its bridge, $3 the host's own address, $4 its public one, $5 bits of the lab's network, $6 the
# router's link. The router has the public address on the bridge; what the host sends there comes back as from there.
_MAKE = f"""
r=lkm-$1-nat o=lkm-$1-carrier
for n in "$r" "$o"; do ip netns add "$n"; ip -n "$n" link set lo up; done
ip link add "vn-$1" type veth peer name in address "$6" netns "$r"
ip link set "vn-$1" master "$2" up
ip -n "$r" link add out type veth peer name eth netns "$o"
ip -n "$r" address add "$4/$5" dev in; ip -n "$r" address add 198.51.100.1/24 dev out
ip -n "$o" address add {OUTSIDE}/24 dev eth
ip -n "$r" link set in up; ip -n "$r" link set out up; ip -n "$o" link set eth up
ip -n "$o" route add "$4/32" via 198.51.100.1
ip netns exec "$r" sysctl -qw net.ipv4.ip_forward=1
ip netns exec "$r" nft -f - <<END
table ip translate {{
  chain in {{ type nat hook prerouting priority dstnat; ip daddr $4 dnat to $3; }}
  chain out {{
    type nat hook postrouting priority srcnat
    oifname "out" ip saddr $3 snat to $4
    oifname "in" ip saddr != 198.51.100.0/24 ip daddr $3 snat to $4
  }}
}}
END
"""
_UNMAKE = 'ip link delete "vn-$1"; for n in nat carrier; do ip netns delete "lkm-$1-$n"; done'


@dataclass(frozen=True)
class Carrier:
    """Where it is, and where the host is for it."""

    prefix: tuple[str, ...]  # of programs that run there
    public: str


@contextlib.contextmanager
def carrier(lab: Lab, host: Host, address: str) -> Iterator[Carrier]:
    """A carrier at ``OUTSIDE``, which reaches ``host`` (at ``address``) by its public address alone. Needs root."""
    network, name = ipaddress.IPv4Network(lab.facts["network"]), lab.facts["name"]
    public = str(network[201])
    # the same each time: who has asked for the one before would send to that, for seconds
    link = "02:02:" + ":".join(f"{byte:02x}" for byte in network[201].packed)
    words = (name, f"lkm-{name}", address, public, str(network.prefixlen), link)
    way = f"route %s 198.51.100.0/24 via {public}"
    with contextlib.ExitStack() as undone:
        undone.callback(subprocess.run, ["sh", "-c", _UNMAKE, "sh", *words], check=False, capture_output=True)
        subprocess.run(["sh", "-euc", _MAKE, "sh", *words], check=True)
        host.check_output(f"ip {way % 'replace'}")
        undone.callback(host.run, f"ip {way % 'delete'}")
        for there in (public, OUTSIDE):
            assert wait_until(lambda at=there: host.run(f"ping -c1 -W1 {at}").rc == 0, 20), f"no way to {there}"
        yield Carrier(("ip", "netns", "exec", f"lkm-{name}-carrier"), public)
