"""What a worker must show: that its code can be imported here, that a job reaches it and its agent joins the room."""

from __future__ import annotations

import json
import secrets
import time

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.roles.agents.generation import LAUNCHER, deployment
from livekit_metal.roles.agents.settings import Fleet
from livekit_metal.runtime.host.commands import HostError, read
from livekit_metal.runtime.host.sandbox import ask_inside
from livekit_metal.runtime.host.wait import ALIVE, journal, until
from livekit_metal.runtime.probe.tokens import token
from livekit_metal.runtime.slots import proof

MARK = "livekit-metal-proof"  # the metadata of a job that proves, and how its room's name begins
_IMPORTS = shell.program(__file__, "imports")
_REGISTERED = shell.program(__file__, "registered")
_JOB = shell.program(__file__, "job")
_TAKEN_IN = 120  # s: Python and Node load hundreds of modules, on a host that is busy
_WITHIN = 60  # s for a job: a process for it may have to start on a host that is busy


class Proof(proof.Proof[Fleet]):
    """Of a fleet. Under a deployment of its own no dispatch but ours reaches a worker: it is alone."""

    proves_alone = True

    def check(self, host: Host, slot: str) -> None:
        """Its entry point can be imported on this host, in its sandbox and without network."""
        release, directory = self.generation.release, self.generation.directory
        language = self.settings.source.language
        words = (release, f"{directory}/{LAUNCHER[language][0]}", f"{directory}/{slot}.yaml", language)
        try:
            ask_inside(host, self.generation.drop_in(slot), _IMPORTS, *words)
        except HostError as error:
            raise HostError(f"{self.settings.path}: {error}; nothing was started") from error

    def alone(self, host: Host, slot: str) -> None:
        """LiveKit takes it in, it gets a job that only it can get, and its agent joins the room."""
        self._registered(host, slot, fresh=True)
        own, room = self.settings, f"{MARK}-{secrets.token_hex(6)}"
        key, secret = next(iter(own.api_keys.items()))
        grants = {"video": {"roomCreate": True, "roomAdmin": True, "roomList": True, "room": room}}
        made = {"name": room, "empty_timeout": _WITHIN + 20, "departure_timeout": 2}
        asked = {"room": room, "agent_name": own.answers_to, "metadata": MARK}
        asked["deployment"] = deployment(self.generation.name, slot)
        words = (
            token(key, secret.reveal(), time.time(), grants),
            own.ws_url.replace("ws", "http", 1) + "/twirp/livekit",
            room,
            self.port("health", slot),
            "1" if own.speaks else "",
            str(_WITHIN),
            json.dumps(made),
            json.dumps(asked),
        )
        try:
            read(host, "sh -s", stdin=shell.given(_JOB, *words), timeout=_WITHIN + 40)
        except HostError as error:
            why = f"slot {slot} of {own.component}: {error}"
            raise HostError(f"{why}\n{journal(host, self.unit(slot))}") from error

    def ready(self, host: Host, slot: str, fresh: bool) -> None:
        """LiveKit has taken it in."""
        self._registered(host, slot, fresh=fresh)

    def _registered(self, host: Host, slot: str, *, fresh: bool) -> None:
        test = (ALIVE if fresh else "") + _REGISTERED
        until(
            host,
            f"slot {slot} is registered",
            self.unit(slot),
            test,
            self.port("health", slot),
            within=_TAKEN_IN,
        )
