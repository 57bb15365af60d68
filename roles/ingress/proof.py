"""What a slot must show: that its program runs here, that it has all its ports, that it is heard on Redis."""

from __future__ import annotations

from pyinfra.api.host import Host

from livekit_metal.core.ports import Proto
from livekit_metal.roles.ingress.settings import Settings
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.sandbox import ask_inside
from livekit_metal.runtime.host.wait import until
from livekit_metal.runtime.slots import proof

# Whatever it finds, it ends with status 0: only the text tells. A library that is not here fails before that.
_RUNS = """said=$("$1" --version 2>&1) || { echo "$said" >&2; exit 1; }
case $said in *"$2 version"*) ;; *) echo "$said" >&2; exit 1 ;; esac"""
# At start it says nothing of a port of WHIP, relay, health or debugging that somebody else has.
_OWNS = """case $(systemctl show -p NRestarts -p SubState $unit) in
*NRestarts=0*SubState=auto-restart | *NRestarts=[1-9]*) [ "$1" = no ] || { echo "it exits at start"; exit 2; } ;; esac
shift; pid=$(systemctl show -p MainPID --value $unit); missing=
for at in "$@"; do
  ss -Hln${at%%:*}p "sport = :${at#*:}" | grep -q "pid=$pid," || missing="$missing ${at#*:}"
done
[ -z "$missing" ] || { echo "it does not listen on$missing"; return 1; }
"""
_HEALTHY = '[ "$(curl -s -m 2 -o /dev/null -w "%{http_code}" http://127.0.0.1:$1/)" = 200 ]'
# A stream that nobody knows: livekit-server says so over Redis. $1 the port of WHIP.
_HEARD = """said=$(curl -s -m 8 -w ' %{http_code}' -H 'Content-Type: application/sdp' --data x \\
  http://127.0.0.1:$1/w/livekit-metal-asks) || :
case $said in *" 404") ;; *) echo "WHIP says: $said"; return 1 ;; esac"""
_ANSWERS = """said=$(curl -s -m 2 -o /dev/null -w '%{http_code}' "http://$1/") || :
[ "$said" = 200 ] || { echo "HTTP $said"; return 1; }"""


class Proof(proof.Proof[Settings]):
    """Of ingress."""

    def check(self, host: Host, slot: str) -> None:
        """The program runs on this host, in its sandbox; it has no checker for its configuration."""
        try:
            ask_inside(host, self.generation.drop_in(slot), _RUNS, self.program, self.settings.program)
        except HostError as error:
            raise HostError(f"{self.program} does not run here: {error}") from error

    def ready(self, host: Host, slot: str, fresh: bool) -> None:
        """Its own process has every port of the slot, it answers, it and livekit-server hear each other on Redis, and
        it would find a LiveKit to send streams to.

        ``fresh``: it was started just now, so a restart by systemd means that it cannot start.
        """
        unit, settings = self.unit(slot), self.settings
        ports = [
            f"{'u' if port.proto is Proto.UDP else 't'}:{port.range.first}"
            for port in settings.ports()
            if port.name.endswith(f"-{slot}")
        ]
        start = "yes" if fresh else "no"
        until(host, f"slot {slot} has its ports", unit, _OWNS, start, *ports, within=30)
        until(host, f"slot {slot} is healthy", unit, _HEALTHY, self.port("health", slot), within=10)
        whip = self.port("whip", slot)
        until(host, f"slot {slot} and livekit-server hear each other on Redis", unit, _HEARD, whip, within=20)
        until(host, "a LiveKit for the streams", unit, _ANSWERS, settings.ws_url.removeprefix("ws://"), within=15)
