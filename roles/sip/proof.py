"""What a slot of livekit-sip must show before calls may reach it."""

from __future__ import annotations

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.roles.sip.settings import Settings
from livekit_metal.runtime.host.commands import HostError, read
from livekit_metal.runtime.host.sandbox import ask_inside
from livekit_metal.runtime.host.wait import ALIVE, journal, until
from livekit_metal.runtime.slots import proof

_RUNS = shell.program(__file__, "runs")
_LIVEKIT = shell.program(__file__, "livekit")
_ANSWERS = shell.program(__file__, "answers")


class Proof(proof.Proof[Settings]):
    """Of livekit-sip."""

    def check(self, host: Host, slot: str) -> None:
        """The program runs on this host, in its sandbox, and LiveKit answers where calls will be taken to."""
        http = self.settings.ws_url.replace("ws", "http", 1)
        try:
            ask_inside(host, self.generation.drop_in(slot), _RUNS, self.program)
            read(host, _LIVEKIT, http)
        except HostError as error:
            raise HostError(f"slot {slot} would not work: {error}") from error

    def ready(self, host: Host, slot: str, fresh: bool) -> None:
        """Its process has its ports, is connected to Redis and speaks SIP.

        ``fresh``: it was started just now, so a restart by systemd means that it cannot start.
        """
        unit, test = self.unit(slot), (ALIVE if fresh else "") + _ANSWERS
        health, sip = (self.port(name, slot) for name in ("health", "sip"))
        try:
            until(host, f"slot {slot} answers SIP on port {sip}", unit, test, health, self.settings.address, sip)
        except HostError as error:
            raise HostError(
                f"{error}\n{journal(host, unit)}" if "last words" not in str(error) else str(error)
            ) from error
