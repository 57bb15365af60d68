"""How alerts are provoked on a lab host.

Each is begun and ended by a context manager. ``TOGETHER`` has groups of those that do not explain each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from testinfra.host import Host

from livekit_metal.call.access import Access
from livekit_metal.call.client import Call
from livekit_metal.call.join_info import announced
from livekit_metal.core import records
from livekit_metal.runtime.run import lock_script
from livekit_metal.site.model import Site
from tests.faults.alerts.people import People

TEST = "livekit-alerts-test"


@dataclass(frozen=True)
class Ground:
    """What faults are made on."""

    host: Host
    name: str
    site: Site
    access: Access
    people: People


Fault = Callable[[Ground], AbstractContextManager[None]]


@dataclass(frozen=True)
class Provocation:
    """``how`` is for people: the table has it."""

    how: str
    fault: Fault


def _shell(do: str, undo: str, *words: Callable[[Ground], object]) -> Fault:
    """Shell text with its words as $1, $2 …"""

    @contextlib.contextmanager
    def fault(ground: Ground) -> Iterator[None]:
        given = [str(word(ground)) for word in words]
        run = "sh -euc %s sh" + " %s" * len(given)
        try:
            ground.host.check_output(run, do, *given)
            yield
        finally:
            ground.host.check_output(run, undo, *given)

    return fault


def _aside(program: str, *words: Callable[[Ground], object]) -> Fault:
    """Perl that goes on by itself until it is ended."""
    do = f'systemd-run -q --unit={TEST}-$1 -p LimitNOFILE=20000 perl -MSocket -MIO::Socket::INET -e {{}} "$@"'
    begin = do.format(f"\"$(cat <<'END'\n{program}\nEND\n)\"")
    return _shell(
        begin, f"systemctl stop {TEST}-$1 2>/dev/null || :; systemctl reset-failed {TEST}-$1 2>/dev/null || :", *words
    )


def _marker(ground: Ground) -> str:
    return records.maintenance(ground.site.paths.config)


def _active(ground: Ground) -> str:
    edge = ground.site.for_host(ground.name).edge
    assert edge is not None
    return edge.active.file


def _prometheus(ground: Ground) -> str:
    own = ground.site.for_host(ground.name).prometheus
    assert own is not None
    return str(own.config)


@contextlib.contextmanager
def _joins_without_media(ground: Ground) -> Iterator[None]:
    """Clients that come in and never connect: the server gives them half a minute."""

    async def one() -> None:
        async with announced(ground.access, "alerts-test"):
            await asyncio.sleep(60)  # as long as somebody stares at a spinner

    async def several() -> None:
        await asyncio.gather(*(one() for _ in range(6)))

    asyncio.run(several())
    yield


@contextlib.contextmanager
def _loses_packets(ground: Ground) -> Iterator[None]:
    """A call by a way from this machine to the host that loses a fifth of its packets."""
    table, call = f"alerts_test_{ground.name}", Call(ground.access)
    at, ports = ground.site.hosts[ground.name].address, ground.site.livekit.media_udp
    rule = f"ip daddr {at} udp dport {ports} numgen random mod 100 < 20 drop"
    rules = f"table inet {table} {{ chain o {{ type filter hook output priority 0; {rule}; }}; }}"
    with _in_background(call):
        subprocess.run(["nft", rules], check=True)
        try:
            yield
        finally:
            subprocess.run(["nft", "delete", "table", "inet", table], check=True)


@contextlib.contextmanager
def _in_background(call: Call) -> Iterator[None]:
    asyncio.run(call.__aenter__())
    try:
        yield
    finally:
        asyncio.run(call.__aexit__(None, None, None))


def _refuses(what: str) -> Fault:
    """The receiver on this machine answers HTTP 400."""

    @contextlib.contextmanager
    def fault(ground: Ground) -> Iterator[None]:
        ground.people.refuses.add(what)
        try:
            yield
        finally:
            ground.people.refuses.clear()

    return fault


_FULL = """my ($name, $at, $port, $n) = @ARGV; my @held;
for my $i (1 .. $n) { my $s = IO::Socket::INET->new(PeerAddr => $at, PeerPort => $port); push @held, $s if $s }
sleep 2"""
# A receiver that never reads, with the smallest buffer there is; the kernel counts what it has no room for.
_UNREAD = """my ($name) = @ARGV; socket(my $r, PF_INET, SOCK_DGRAM, 0); setsockopt($r, SOL_SOCKET, SO_RCVBUF, 1);
bind($r, sockaddr_in(0, INADDR_LOOPBACK)); my ($port) = sockaddr_in(getsockname $r);
socket(my $s, PF_INET, SOCK_DGRAM, 0); my $to = sockaddr_in($port, INADDR_LOOPBACK);
while (1) { send($s, "x" x 500, 0, $to) for 1 .. 20;
select(undef, undef, undef, 0.1) }"""

TOGETHER: tuple[Mapping[str, Provocation], ...] = (
    {
        "ServiceFailed": Provocation(
            "a unit ends with status 1",
            _shell(f"systemd-run -q --unit={TEST} /bin/false", f"systemctl reset-failed {TEST}"),
        ),
        "ServiceRestarting": Provocation(
            "a daemon is killed four times",
            _shell(
                "u=livekit-node-exporter; for i in 1 2 3 4; do systemctl kill -s KILL $u; "
                'timeout 30 sh -c "until systemctl is-active -q $u; do sleep 0.2; done"; sleep 6; done',
                "systemctl is-active -q livekit-node-exporter",
            ),
        ),
        "DeployLockHeld": Provocation(
            "a process holds the lock for two hours, as the file says",
            _shell(  # systemd makes $ of $$
                'systemd-run -q --unit=livekit-alerts-lock sh -c \'exec 9>>"$1"; flock 9; echo $$$$ >"$1.pid"; '
                'touch -d "2 hours ago" "$1.pid"; exec sleep 3600\' sh "$1"',
                'systemctl stop livekit-alerts-lock; rm -f "$1.pid"',
                lambda _: lock_script.LOCK,
            ),
        ),
        "NoActiveSlot": Provocation(
            "no slot is named in the active file",
            _shell(
                'cp -p "$1" /run/alerts-test; sed -i "/^livekit /d" "$1"',
                'cat /run/alerts-test >"$1"; rm /run/alerts-test',
                _active,
            ),
        ),
        "UdpReceiveErrors": Provocation("a socket is sent to that nobody reads", _aside(_UNREAD, lambda _: "udp")),
        "RedisRefusing": Provocation(
            "all connections that Redis takes are taken for two seconds",
            _aside(_FULL, lambda _: "redis", lambda _: "127.0.0.1", lambda g: g.site.redis.port, lambda _: 10_100),
        ),
        "RemoteWriteFailing": Provocation("who takes samples answers HTTP 400", _refuses("samples")),
        "AlertsNotDelivered": Provocation("who takes alerts answers HTTP 400", _refuses("alerts")),
        "JoinsFailing": Provocation("six clients join and never connect", _joins_without_media),
        "PacketLoss": Provocation("a call loses every fifth packet on its way to the host", _loses_packets),
    },
    {
        "PrometheusFailing": Provocation(
            "it is told to read a configuration that makes no sense",
            _shell(
                'cp -p "$1" /run/alerts-test; echo "nonsense: [" >>"$1"; systemctl kill -s HUP livekit-prometheus',
                'cat /run/alerts-test >"$1"; rm /run/alerts-test; systemctl kill -s HUP livekit-prometheus',
                _prometheus,
            ),
        ),
        "HostMetricsOld": Provocation(
            "what writes our metrics is stopped by SIGSTOP",
            _shell("systemctl kill -s STOP livekit-host-metrics", "systemctl kill -s CONT livekit-host-metrics"),
        ),
    },
    {
        "MaintenanceLong": Provocation(
            "the mark of maintenance is two days old",
            _shell("echo '{}' >\"$1\"; touch -d '2 days ago' \"$1\"", 'rm -f "$1"', _marker),
        ),
    },
)
