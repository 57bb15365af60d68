"""What preflight asks a host: a part of the one look of a run, some milliseconds unless a peer does not answer."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from shlex import quote

from livekit_metal.core import shell
from livekit_metal.core.ports import Port
from livekit_metal.roles.preflight.finding import OURS
from livekit_metal.roles.preflight.listeners import IN_FORCE, INTERFACES, LASTING, TUNNELS
from livekit_metal.roles.preflight.media import LINKS, ROUTE6
from livekit_metal.roles.preflight.settings import Peer, Settings
from livekit_metal.runtime.host.service import UNITS

# Programs that the roles use before base can install anything.
TOOLS = ("awk", "base64", "flock", "gzip", "ip", "sed", "sha256sum", "ss", "sysctl", "systemctl", "tar", "timeout")
KNOCK, PING = 1.4, 0.6  # s for a peer to answer: more than the second after which a lost SYN is sent again; then 3 x

# Where a path will be: the nearest directory that exists.
_SPACE = r"""for d in {roots}; do while [ ! -d "$d" ]; do d=${{d%/*}}; d=${{d:-/}}; done
df -Pk "$d" | awk -v d="$d" 'NR == 2 {{ print int($4 / 1024), d }}'; done"""
# Mbit/s of the link to everybody else; a virtual one does not say, or says -1.
_SPEED = """d=$(ip -o route show default | sed -n '1s/.* dev \\([^ ]*\\).*/\\1/p'); cat "/sys/class/net/$d/speed\""""
# Units of ours that are here, and what they do.
_UNITS = f"""cd {UNITS} && for u in $(grep -ls '^# Managed by livekit-metal' *.service); do
echo "$u $(systemctl is-active "$u")"; done"""
_KNOCK = shell.program(__file__, "knock")

# Arguments: the public address, first and last port for media. Does a datagram to that address come back here? Rules
# of ours that are loaded and do not have the port yet would drop it: then only a call will tell.
HAIRPIN = rf"""use IO::Socket::IP; use IO::Select; my ($to, $first, $last) = @ARGV; my $u;
for (reverse $first .. $last) {{
  $u = IO::Socket::IP->new(LocalHost => $to =~ /:/ ? "::" : "0.0.0.0", LocalPort => $_, Proto => "udp") and last }}
$u or exit; my ($p, $word, $b) = ($u->sockport, "livekit-metal " . rand);
exit if !system("nft list chain {OURS} input >/dev/null 2>&1") &&
  system("nft get element {OURS} untracked '{{ $p }}' >/dev/null 2>&1");
my $s = IO::Socket::IP->new(PeerHost => $to, PeerPort => $p, Proto => "udp");
for (1 .. 5) {{
  $s and $s->send($word);
  while (IO::Select->new($u)->can_read(0.2)) {{ $u->recv($b, 99); $b eq $word and print("back\n"), exit }}
}}
print "lost\n";"""
# Also where base has yet to install it: then the version that Debian would.
_PYTHON = """python3 -I -S -c 'import sys; print("%d.%d" % sys.version_info[:2])' ||
apt-cache show --no-all-versions python3 | sed -n 's/^Version: \\([0-9]*\\.[0-9]*\\).*/\\1/p'"""


def _led(port: Port) -> tuple[str, str]:
    """Rules of others that lead a port of ours elsewhere, such as those of a container that publishes it."""
    number = rf"{port.proto} dport (\{{[^}}]*\b)?{port.range}\b.*\b(dnat|redirect)"
    return f"preflight.led-{port.name}", f"nft -t list ruleset 2>/dev/null | grep -E {quote(number)}"


def _knocks(peers: Iterable[Peer]) -> str:
    words = [str(word) for p in peers for word in (p.name, p.address, p.port)]
    return shell.given(_KNOCK, str(KNOCK), str(PING), *words) if words else ":"


def _hairpin(settings: Settings) -> str:
    if not settings.hairpin or settings.media is None:
        return ":"
    return shlex.join(["perl", "-e", HAIRPIN, settings.hairpin, str(settings.media.first), str(settings.media.last)])


def probes(settings: Settings) -> tuple[tuple[str, str], ...]:
    """The questions, by name."""
    return (
        ("preflight.os", '. /etc/os-release; echo "$ID" "$VERSION_ID"'),
        ("preflight.kernel", "uname -r; uname -m"),
        ("preflight.init", "cat /proc/1/comm; systemctl --version | sed -n '1s/systemd \\([0-9]*\\).*/\\1/p'"),
        ("preflight.cores", "nproc"),
        ("preflight.speed", _SPEED if settings.need else ":"),
        ("preflight.memory", "sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"),
        ("preflight.space", _SPACE.format(roots=" ".join(settings.roots))),
        ("preflight.clock", "date +%s.%N"),
        ("preflight.sockets", "ss -Hlntup --cgroup"),
        LASTING,
        IN_FORCE,
        *((TUNNELS, INTERFACES) if settings.filters else ()),
        ("preflight.ufw", "command -v ufw >/dev/null && grep -hi '^ENABLED=yes' /etc/ufw/ufw.conf"),
        ("preflight.chains", "nft list chains"),
        ("preflight.addresses", 'ip -o addr | awk \'{ sub("/.*", "", $4); print $4 }\''),
        *((LINKS, ROUTE6) if settings.offered else ()),
        *(_led(port) for port in settings.ports if port.fixed),
        ("preflight.fingerprint", f"cat {quote(settings.fingerprint_file)}"),
        ("preflight.serial", f"cat {quote(settings.serial_file)}"),
        ("preflight.units", _UNITS),
        ("preflight.tools", f"for t in {' '.join(TOOLS)}; do command -v $t >/dev/null || echo $t; done"),
        ("preflight.hairpin", _hairpin(settings)),
        ("preflight.python", _PYTHON if settings.calls else ":"),
        ("preflight.peers", _knocks(settings.peers)),
        ("preflight.behind", _knocks(settings.behind)),
    )
