"""Settings of the watcher: who sees to jobs of agents whose host or worker died."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, derived, option
from livekit_metal.core.ports import Port, PortRange, Proto, Reach, endpoint
from livekit_metal.core.types.secret import Secret

UNIT = "livekit-redispatch.service"
COMPONENT = "redispatch"  # Prometheus' job, too
EVENTS = ("participant_joined", "participant_left", "participant_connection_aborted")  # that it is told


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """It is on every host with livekit-server while `agents.redispatch` is on."""

    unit: ClassVar[str] = UNIT

    port: PortRange = option(PortRange(9650, 9650), "where it hears livekit-server's webhooks, on loopback")

    wanted: bool = derived(False)
    fleets: Mapping[str, str] = derived({})  # agent_name -> fleet
    ws_url: str = derived("")
    api_keys: Mapping[str, Secret] = derived({})  # the one it asks with
    signers: Mapping[str, Secret] = derived({})  # those that livekit-server signs with
    programs: Mapping[str, str] = derived({})  # name -> text
    config_root: str = derived("")

    @property
    def url(self) -> str:
        """Where livekit-server sends webhooks."""
        return f"http://{self.listen}/"

    @property
    def listen(self) -> str:
        return endpoint("127.0.0.1", self.port.first)

    @property
    def directory(self) -> str:
        return f"{self.config_root}/redispatch"

    @property
    def config_file(self) -> str:
        return f"{self.directory}/config.json"

    @property
    def config(self) -> dict[str, object]:
        """What the program reads, with the secrets."""
        ((key, secret),) = self.api_keys.items()
        return {
            "port": self.port.first,
            "ws_url": self.ws_url,
            "api_key": key,
            "api_secret": secret.reveal(),
            "keys": {name: each.reveal() for name, each in self.signers.items()},
            "fleets": dict(self.fleets),
        }

    def ports(self) -> Iterator[Port]:
        if self.wanted:
            what = "webhooks of livekit-server for the watcher, and its metrics"
            yield Port("redispatch", "webhooks", Proto.TCP, self.port, Reach.LOCAL, what, "redispatch.port")

    def problems(self, path: str) -> Iterator[Problem]:
        if len(self.port) != 1:
            yield Problem(f"{path}.port", f"is a range ({self.port})", "give one port")
