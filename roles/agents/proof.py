"""What a worker must show: that its code can be imported here, that a job reaches it and its agent joins the room."""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path
from shlex import quote

from pyinfra.api.host import Host

from livekit_metal.core.tokens import token
from livekit_metal.roles.agents.generation import deployment
from livekit_metal.roles.agents.settings import Fleet
from livekit_metal.runtime.host.commands import HostError, read
from livekit_metal.runtime.host.sandbox import ask_inside
from livekit_metal.runtime.host.wait import journal, until
from livekit_metal.runtime.slots import proof
from livekit_metal.runtime.slots.proof import ALIVE

MARK = "livekit-metal-proof"  # the metadata of a job that proves, and how its room's name begins
# $1 directory of the release, $2 launcher, $3 configuration
_IMPORTS = 'cd "$1/code" && HOME=/tmp PYTHONPATH="$1/code:$1/site" exec python3 -S -B "$2" "$3" --check 2>&1 || exit 1'
# $1 port. Its own process has it, and LiveKit has taken the worker in.
_REGISTERED = r"""pid=$(systemctl show -p MainPID --value $unit)
ss -Hltnp "sport = :$1" | grep -q "pid=$pid," || { echo "it does not listen on port $1"; return 1; }
said=$(curl -s -m 2 "http://127.0.0.1:$1/") && [ "$said" = OK ] ||
  { echo "LiveKit has not taken it in: $said"; return 1; }
"""
_JOB = (Path(__file__).parent / "scripts/job.sh").read_text()
_WITHIN = 40  # s for a job


class Proof(proof.Proof[Fleet]):
    """Of a fleet. Under a deployment of its own no dispatch but ours reaches a worker: it is alone."""

    proves_alone = True

    def check(self, host: Host, slot: str) -> None:
        """Its entry point can be imported on this host, in its sandbox and without network."""
        release, directory = self.generation.release, self.generation.directory
        words = (release, f"{directory}/launcher.py", f"{directory}/{slot}.yaml")
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
        values = {
            "token": token(key, secret.reveal(), time.time(), grants),
            "url": own.ws_url.replace("ws", "http", 1) + "/twirp/livekit",
            "room": room,
            "port": self.port("health", slot),
            "speaks": "1" if own.speaks else "",
            "within": str(_WITHIN),
            "made": json.dumps({"name": room, "empty_timeout": _WITHIN + 20, "departure_timeout": 2}),
            "asked": json.dumps(
                {
                    "room": room,
                    "agent_name": own.answers_to,
                    "metadata": MARK,
                    "deployment": deployment(self.generation.name, slot),
                }
            ),
        }
        words = "".join(f"{name}={quote(value)}\n" for name, value in values.items())
        try:
            read(host, "sh -s", stdin=f"{words}{_JOB}", timeout=_WITHIN + 40)
        except HostError as error:
            why = f"slot {slot} of {own.component}: {error}"
            raise HostError(f"{why}\n{journal(host, self.unit(slot))}") from error

    def ready(self, host: Host, slot: str, fresh: bool) -> None:
        """LiveKit has taken it in."""
        self._registered(host, slot, fresh=fresh)

    def _registered(self, host: Host, slot: str, *, fresh: bool) -> None:
        test = (ALIVE if fresh else "") + _REGISTERED
        until(host, f"slot {slot} is registered", self.unit(slot), test, self.port("health", slot), within=60)
