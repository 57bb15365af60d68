"""What a slot must show: that its configuration is understood, that it works alone, that it works in the cluster."""

from __future__ import annotations

from pyinfra.api.host import Host

from livekit_metal.core import shell
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.runtime.host.commands import HostError, read, run
from livekit_metal.runtime.host.sandbox import ask_inside, inside
from livekit_metal.runtime.host.wait import ALIVE, journal, until
from livekit_metal.runtime.probe import call, reachability
from livekit_metal.runtime.slots import proof

# livekit-server ends with status 0 whatever it found: only the text tells.
_CHECK = """said=$("$1" --config "$2" --key-file "$3" ports 2>&1)
case $said in "TCP Ports"*) ;; *) echo "$said" >&2; exit 1 ;; esac"""
_ANSWERS = (
    'pid=$(systemctl show -p MainPID --value $unit); ss -Hltnp "sport = :$1" | grep -q "pid=$pid,"'
    ' && [ "$(curl -s -m 2 -o /dev/null -w "%{http_code}" http://127.0.0.1:$1/)" = 200 ]'
)
_SERVING, _HOLDS = (shell.program(__file__, "node", "listed", name) for name in ("serving", "holds"))
_ACTIVE = shell.program(__file__, "node", "active")
UNJOINED = shell.program(__file__, "unjoined")


class Proof(proof.Proof[Settings]):
    """Of livekit-server, which works alone as well: without Redis."""

    proves_alone = True

    def check(self, host: Host, slot: str) -> None:
        """The program understands its configuration, as livekit reads it."""
        directory, drop_in = self.generation.directory, self.generation.drop_in(slot)
        files = (f"{directory}/{slot}.yaml", f"{directory}/keys.yaml")
        try:
            ask_inside(host, drop_in, _CHECK, self.program, *files)
        except HostError as error:
            raise HostError(
                f"{self.settings.program} refuses its configuration ({directory}/{slot}.yaml): {error}"
            ) from error

    def alone(self, host: Host, slot: str) -> None:
        """It starts, and a call gets through it, while no real room can be placed on it."""
        self._answers(host, slot, fresh=True)
        self._call(host, slot, "")

    def ready(self, host: Host, slot: str, fresh: bool) -> None:
        """It serves in the cluster: its process owns its port, SERVING in Redis, a call, it hears itself over Redis.

        ``fresh``: it was started just now, so a restart by systemd means that it cannot start.
        """
        unit, port = self.unit(slot), self.port("signal", slot)
        self._answers(host, slot, fresh=fresh)
        args = (self.port("metrics", slot), self.generation.directory, self.program, slot, *inside(network=True))
        said = until(host, f"slot {slot} is SERVING in Redis", unit, _SERVING, *args, within=15)
        self._call(host, slot, said.split()[-1])  # the last word: list-nodes logs as well
        try:
            read(host, _HOLDS, unit, port, *args)
        except HostError as error:
            raise HostError(f"slot {slot} did not stay ready: {error}\n{journal(host, unit)}") from error

    def _answers(self, host: Host, slot: str, *, fresh: bool) -> None:
        port = self.port("signal", slot)
        test = (ALIVE if fresh else "") + _ANSWERS
        until(host, f"slot {slot} answers on port {port}", self.unit(slot), test, port, within=30)

    def _call(self, host: Host, slot: str, node: str) -> None:
        unit, settings = self.unit(slot), self.settings
        try:
            _call(host, settings, int(self.port("signal", slot)), node)
        except HostError as error:
            why = f"no call gets through slot {slot} (from the {settings.probe}): {error}\n{journal(host, unit)}"
            if isinstance(error, call.NoMedia):
                if not node:  # alone: nobody is on it, and its end frees the very ports that the call used
                    run(host, "systemctl stop $1", unit)
                goal = reachability.MediaTarget(settings.node_ip, settings.part("media", slot), settings.tcp[slot])
                why = "\n".join(filter(None, (reachability.verdict(host, vantage(settings), goal), why)))
            raise HostError(why) from error


def vantage(settings: Settings) -> call.Vantage:
    """From where calls are made."""
    return call.Vantage(settings.probe, settings.peers, f"{settings.release_root}/probe")


def call_active_slot(host: Host, *, settings: Settings) -> str:
    """A call through the slot that serves now: why it fails, or ''; '-' when none serves."""
    unit = settings.unit.format("%s")
    said = read(
        host,
        _ACTIVE,
        settings.active.file, unit,
    ).split()  # fmt: skip
    if len(said) != 2:
        return "-"
    try:
        _call(host, settings, int(said[0]), said[1])
    except HostError as error:
        return str(error)
    return ""


def _call(host: Host, settings: Settings, port: int, node: str) -> None:
    """Make a call. A generation from before a rotation has only the older of the two keys."""
    keys = list(settings.api_keys.items())
    for key, secret in keys:
        try:
            call.call(host, call.Endpoint(port, key, secret, node), vantage(settings))
        except HostError as error:
            if "401" in str(error) and key != keys[-1][0]:
                continue
            raise
        return
