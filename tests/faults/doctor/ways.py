"""What is wrong with the ways to a host: closed, lossy or slow in between, eaten by a rule there, no cores there."""

from __future__ import annotations

from tests.faults.doctor.breakage import SECOND, Breakage
from tests.faults.doctor.elsewhere import on_the_way, starved


def _between(name: str, check: str, words: str, rule: str, between_hosts: str = "") -> Breakage:
    """What the network between here and the second host does (``between_hosts``: and between the two)."""
    return Breakage(name, SECOND, "", "", (check, SECOND), words, elsewhere=on_the_way(rule, between_hosts))


def _eaten(name: str, rule: str, words: str) -> Breakage:
    """Packets that rules of somebody else eat on the second host itself."""
    return Breakage(name, SECOND, f"drop input '{rule}'", "allow", ("rules", SECOND), words)


_SLOW = "meta l4proto { tcp, udp } th dport != 22 limit rate over 16 kbytes/second burst 32 kbytes drop"
WAYS = (
    _between("UDP range closed", "udp", "no media by UDP to", "ip daddr {host} udp dport @MEDIA@ drop"),
    _between("7881 closed", "tcp", "no media by ICE over TCP to", "ip daddr {host} tcp dport @ICE_TCP@ drop"),
    _between(
        "TURN over UDP closed", "turn-udp", "no media by TURN over UDP", "ip daddr {host} udp dport @TURN_UDP@ drop"
    ),
    _between(
        "one node without Redis",
        "bus",
        "no way from here to Redis",
        "accept",
        between_hosts="ip saddr {host} tcp dport @REDIS@ drop",
    ),
    _between(
        "a peer's edge unreachable",
        "peer",
        "drops what comes to port",
        "accept",
        "ip daddr {host} tcp dport @PEER@ drop",
    ),
    _between(
        "a way that loses packets",
        "loss",
        "% up",
        "ip daddr {host} meta l4proto udp numgen random mod 100 < 15 drop",
    ),
    _between(
        "a way that is slow",
        "throughput",
        "kbit/s up",
        f"ip daddr {{host}} {_SLOW}",
    ),
    Breakage(
        "a host that is starved",
        SECOND,
        "",
        "",
        ("cores", SECOND),
        "ms for a core each time",
        elsewhere=starved,
    ),
    _eaten(
        "a table of somebody else that drops media", "udp dport @MEDIA@", "table inet tests_doctor, which is not ours"
    ),
    _eaten("a table of somebody else that drops TURN", "udp dport @TURN_UDP@", "udp dport 3478-3480 drop"),
    _eaten(
        "a table of somebody else that lets little through",
        "meta l4proto udp limit rate over 4 kbytes/second",
        "limit rate over 4 kbytes/second",
    ),
    _between("IPv6 announced and not routed", "ipv6", "nothing gets there and back", "ip6 daddr {six} drop"),
)
