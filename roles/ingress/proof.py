"""What a slot must show: that its program runs here, that it has all its ports, that it is heard on Redis."""

from __future__ import annotations

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.core.ports import Proto
from livekit_metal.roles.ingress.settings import Settings
from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.sandbox import ask_inside
from livekit_metal.runtime.host.wait import ALIVE, until
from livekit_metal.runtime.slots import proof

_RUNS = shell.program(__file__, "runs")
_OWNS = shell.program(__file__, "owns")
_HEALTHY = '[ "$(curl -s -m 2 -o /dev/null -w "%{http_code}" http://127.0.0.1:$1/)" = 200 ]'
_HEARD = shell.program(__file__, "heard")
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
        owns = (ALIVE if fresh else "") + _OWNS
        until(host, f"slot {slot} has its ports", unit, owns, *ports, within=30)
        until(host, f"slot {slot} is healthy", unit, _HEALTHY, self.port("health", slot), within=10)
        whip = self.port("whip", slot)
        until(host, f"slot {slot} and livekit-server hear each other on Redis", unit, _HEARD, whip, within=20)
        until(host, "a LiveKit for the streams", unit, _ANSWERS, settings.ws_url.removeprefix("ws://"), within=15)
