"""What a slot must show: that the store takes files and LiveKit answers, that it runs and takes requests."""

from __future__ import annotations

from pyinfra.api.host import Host

from livekit_metal.roles.egress import store
from livekit_metal.roles.egress.settings import Settings
from livekit_metal.runtime.host.commands import HostError, read
from livekit_metal.runtime.host.wait import journal, until
from livekit_metal.runtime.slots import proof
from livekit_metal.runtime.slots.proof import ALIVE

# $1 health, $2 metrics, $3 template port. Upstream ignores that a port is taken, so: its own process has them all.
# "service ready" is logged once it has asked Redis for requests (pkg/server/server.go Run).
_ANSWERS = r"""pid=$(systemctl show -p MainPID --value $unit)
for p in "$@"; do ss -Hltnp "sport = :$p" | grep -q "pid=$pid," || { echo "port $p is not its own"; return 1; }; done
[ "$(curl -s -m 2 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$1/")" = 200 ] || { echo "no health"; return 1; }
id=$(systemctl show -p InvocationID --value $unit)
journalctl -q _SYSTEMD_INVOCATION_ID=$id -o cat | grep -q '"service ready"' || { echo "not ready"; return 1; }
"""
# $1 URL: the edge may have to see first that livekit-server answers.
_LIVEKIT = """end=$(( $(date +%s) + 15 ))
until said=$(curl -s -m 3 -o /dev/null -w "%{http_code}" "$1") && [ "$said" = 200 ]; do
  [ $(date +%s) -lt $end ] || { echo "status $said" >&2; exit 1; }; sleep 0.3
done
"""
# $1 unit: the same process until it is 5 s old.
_HOLDS = """pid() { systemctl show -p MainPID --value "$1"; }; was=$(pid "$1")
began=$(systemctl show -p ExecMainStartTimestampMonotonic --value "$1")
while [ "$(pid "$1")" = "$was" ]; do
  [ "$(awk -v began="$began" '{ print ($1 - began / 1e6 >= 5) }' /proc/uptime)" = 0 ] || exit 0; sleep 0.3
done; echo "it ended" >&2; exit 1
"""


class Proof(proof.Proof[Settings]):
    """Of egress."""

    def check(self, host: Host, slot: str) -> None:
        """Before anything starts: the store takes, gives and deletes, and LiveKit answers where egress will look."""
        if self.settings.storage.kind:
            store.prove(host, self.settings)
        url = self.settings.ws_url.replace("ws", "http", 1)
        try:
            read(host, _LIVEKIT, url)
        except HostError as error:
            remedy = "livekit-server must serve on some host first (procedures/status.py)"
            raise HostError(f"egress: LiveKit does not answer at {url} on {host.name} ({error}); {remedy}") from error

    def ready(self, host: Host, slot: str, fresh: bool) -> None:
        """Its own process has its ports, health answers, it has asked Redis for requests, and it stays so for 5 s."""
        unit = self.unit(slot)
        ports = [self.port(name, slot) for name in ("health", "metrics", "template")]
        until(host, f"slot {slot} takes requests", unit, (ALIVE if fresh else "") + _ANSWERS, *ports, within=30)
        try:
            read(host, _HOLDS, unit)
        except HostError as error:
            raise HostError(f"slot {slot} of egress did not stay ready: {error}\n{journal(host, unit)}") from error
