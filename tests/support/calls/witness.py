"""What a host is like, seen over OpenSSH with the system's own programs: never with the code under test."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator, Mapping

from testinfra.host import Host

from livekit_metal.roles.redis.settings import Settings as Redis
from livekit_metal.site.model import Site
from tests.support.calls.rooms import REDIS

_MARKER = "/run/tests-marker"
# Not looked at, as they change without anybody's doing: what the kernel and systemd keep (timers, the clock, the random
# seed, logs, sessions), and what our own running daemons store (Redis' and Prometheus' data below paths.state). /run is
# left out but for units: the deploy lock and who holds it lie there, which a refused deploy takes and gives back.
_PLACES = "/boot /etc /home /opt /root /run/systemd/system /srv /usr /var/lib /var/spool"
_RESTLESS = "/var/lib/systemd /var/lib/private /var/lib/logrotate"
_FILES = """
set --; for d in {restless}; do set -- "$@" -o -path "$d"; done; shift
find $(ls -d {places} 2>/dev/null) -xdev \\( "$@" \\) -prune -o -cnewer {marker} -print
"""
_KERNEL = r"net\.core|net\.ipv4\.(udp|tcp|ip_local)[a-z_]*|vm\.(swappiness|overcommit_memory)"
_STATE = rf"""
echo '# units'
for u in $(systemctl list-units --all --plain --no-legend 'livekit-*' | cut -d ' ' -f 1 | sort); do
  systemctl show -p Id,ActiveState,MainPID,NRestarts,UnitFileState "$u" | paste -sd ' '
done
echo '# firewall'; nft -s list ruleset
echo '# kernel'; sysctl -a 2>/dev/null | grep -E '^({_KERNEL}) '
echo '# packages'; dpkg-query -W -f '${{Package}} ${{Version}} ${{db:Status-Abbrev}}\n'
echo '# users'; getent passwd; getent group
"""


def state(host: Host) -> str:
    """Our units and their processes, the firewall, the kernel's settings, packages and users."""
    said: str = host.check_output(_STATE)
    return said


def mark(host: Host) -> None:
    """From here on, :func:`touched` counts."""
    host.check_output(f"touch {_MARKER}")


def touched(host: Host, site: Site) -> list[str]:
    """Files and directories of which anything (content, owner, mode, name) changed since :func:`mark`."""
    data = " ".join(f"{site.paths.state}/{what}" for what in ("redis", "prometheus"))
    script = _FILES.format(restless=f"{_RESTLESS} {data}", places=_PLACES, marker=_MARKER)
    said: str = host.check_output(script)
    return said.splitlines()


@contextlib.contextmanager
def untouched(hosts: Mapping[str, Host], site: Site) -> Iterator[None]:
    """Assert that nothing changes on any of the hosts meanwhile."""
    before = {name: state(host) for name, host in hosts.items()}
    for host in hosts.values():
        mark(host)
    yield
    for name, host in hosts.items():
        files = touched(host, site)
        assert not files, f"{name}: changed: {', '.join(files)}"
        difference = list(difflib.unified_diff(before[name].splitlines(), state(host).splitlines(), n=0, lineterm=""))
        assert not difference, "\n".join([f"{name}:", *difference])


def redis_limit(host: Host, site: Site) -> int:
    """The memory limit (MB) that the running Redis has, on its host."""
    redis = site.for_host(site.with_role("redis")[0]).the(Redis)
    said = host.run(REDIS.format(redis.host, redis.port, redis.user, "info memory"), redis.passwords[0].reveal()).stdout
    return int(dict(line.strip().split(":", 1) for line in said.splitlines() if ":" in line)["maxmemory"]) >> 20
