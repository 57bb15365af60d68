"""What the settings of every daemon in slots have: release, slots and their ports, drain, limits, what the site says.

A role's settings add what is theirs, and say in the class variables who they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, derived, option
from livekit_metal.core.passthrough import merged
from livekit_metal.core.ports import Port, PortRange, Proto, Reach
from livekit_metal.core.redis_client import RedisClient
from livekit_metal.core.slots import decision
from livekit_metal.core.slots.active import Active
from livekit_metal.core.slots.decision import DRAIN_DROP_IN, FINISH_SCRIPT, Refresh
from livekit_metal.core.types.duration import Duration
from livekit_metal.core.types.memory import MOST, WORDS, Memory
from livekit_metal.core.types.secret import Secret
from livekit_metal.core.types.text import File
from livekit_metal.releases import catalogue, extra

RELEASE = "version from livekit_metal/releases/releases.toml"
_FREE = 1024  # the first port that everybody may bind (net.ipv4.ip_unprivileged_port_start)
DRAIN = "what a slot does after a change, until its last {} has ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotPort:
    """A port that each slot of a daemon has, or a part of a range."""

    name: str
    proto: Proto
    reach: Reach
    purpose: str  # with {} for the slot
    setting: str = ""  # the option that holds the range of all slots, where its name is another
    clients: tuple[str, ...] = ()  # see Port.clients
    least: int = 1  # how many a slot needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain(Checked):
    """How long a slot that was replaced goes on."""

    deadline: Duration = option(Duration.parse("5h"), "then what is left on it is ended")

    holds: ClassVar[str] = "sessions"

    def problems(self, path: str) -> Iterator[Problem]:
        if self.deadline < 10:
            yield Problem(f"{path}.deadline", f"is {self.deadline}", f"give {self.holds} at least 10s")
        yield from self.more_problems(path)

    def more_problems(self, path: str) -> Iterator[Problem]:
        """Of what a daemon's own drain says besides."""
        yield from ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SlottedSettings(Checked):
    """A daemon on one host, in slots."""

    component: ClassVar[str]  # the role, as the file of active slots names it
    program: ClassVar[str]  # its file in a release, and the component of its versions
    unit: ClassVar[str]  # with {} for the slot
    user: ClassVar[str]
    slot_ports: ClassVar[tuple[SlotPort, ...]]
    drain_drop_in: ClassVar[str] = DRAIN_DROP_IN
    finish_file: ClassVar[str] = FINISH_SCRIPT

    release: str = option("", RELEASE)
    source: str = option("file", "where the program comes from")
    file: File = option("", "path of your own build (source 'file')")
    sha256: str = option("", "its sha256 (source 'file')")
    slots: tuple[str, ...] = option(("a", "b", "c"), "names of the slots; a change needs an empty one")
    drain: Drain = option(Drain(), DRAIN.format("session"))
    memory: Memory = option(MOST, WORDS.format("it, and it starts again"))
    log_level: str = option("info", "logging.level")
    extra: Mapping[str, Any] = option({}, "upstream's options that no setting has, as nested mappings")

    api_keys: Mapping[str, Secret] = derived({})
    redis: RedisClient = derived(RedisClient())
    trusted: str = derived("")  # certificates (PEM) of CAs that it trusts besides those of its system
    ws_url: str = derived("")  # of livekit-server, through the edge of the host
    config_root: str = derived("")
    release_root: str = derived("")
    state_root: str = derived("")
    refresh: Refresh = derived(Refresh.NO)
    active: Active = derived(Active())
    lock_file: str = derived("")
    arch: str = derived("")

    def release_spec(self) -> catalogue.Release:
        """The release asked for. Raises SiteError when it is not known from that source, or known to be bad."""
        return catalogue.find(
            self.program,
            self.release,
            self.source,
            file=self.file,
            sha256=self.sha256,
            image=str(getattr(self, "image", "")),
            path=f"{self.component}.release",
        )

    @property
    def path(self) -> str:
        """Where it stands in the inventory."""
        return self.component

    @property
    def templates(self) -> str:
        """The directory of its templates; its configuration and its unit are called so as well."""
        return self.component

    @property
    def generations(self) -> str:
        """The directory of its generations on a host."""
        return f"{self.config_root}/{self.component}"

    @property
    def releases(self) -> str:
        """The directory of its releases on a host."""
        return f"{self.release_root}/{self.program}"

    @property
    def ranges(self) -> dict[str, PortRange]:
        """The settings that are ranges of ports, split among the slots."""
        return {name: getattr(self, name) for name in dict.fromkeys(p.setting or p.name for p in self.slot_ports)}

    def ports(self) -> Iterator[Port]:
        """Every port of every slot, bound or not: a change must never have to open one."""
        for port in self.slot_ports:
            setting = port.setting or port.name
            for slot in self.slots:
                yield Port(
                    self.component,
                    f"{port.name}-{slot}",
                    port.proto,
                    decision.part(self.ranges[setting], self.slots, slot),
                    port.reach,
                    port.purpose.format(slot),
                    f"{self.path}.{setting}",
                    port.clients,
                )

    def part(self, name: str, slot: str) -> PortRange:
        """The ports called ``name`` of ``slot``."""
        port = next(port for port in self.slot_ports if port.name == name)
        return decision.part(getattr(self, port.setting or name), self.slots, slot)

    def record(self, slot: str) -> dict[str, object]:
        """What the file ``ports`` of a generation says of ``slot``: whoever asks an older slot reads it there."""
        return {name: self.part(name, slot).first for name in ("health", "metrics")}

    @classmethod
    def earlier(cls, lines: Sequence[str]) -> dict[str, Any]:
        """Settings of a generation besides slots and ports, from ``lines`` of its file ``ports``: for a rollback."""
        return {}

    def problems(self, path: str) -> Iterator[Problem]:
        least: dict[str, int] = {}
        for port in self.slot_ports:
            least[port.setting or port.name] = port.least
        if found := tuple(decision.problems(path, self.slots, self.ranges, least)):
            yield from found
            return
        yield from self._low(path)
        own = self.own_config(self.slots[0])
        if found := tuple(self.more_problems(path)):
            yield from found
        else:
            yield from extra.own_problems(self.program, self.release, own, path)
        yield from extra.problems(self.program, self.release, self.extra, own, f"{path}.extra")

    def _low(self, path: str) -> Iterator[Problem]:
        """Ports that only root may bind, and no daemon in slots is root."""
        for name, ports in self.ranges.items():
            if ports.first < _FREE:
                fact = f"{ports} begins below {_FREE}, where {self.program}, which is not root, may bind nothing"
                yield Problem(f"{path}.{name}", fact, self.instead_of_low(name))

    def instead_of_low(self, name: str) -> str:
        """What to do about such ports in the setting ``name``."""
        return f"choose ports from {_FREE} on"

    def more_problems(self, path: str) -> Iterator[Problem]:
        """What is wrong with a daemon's own settings, once its slots have their ports."""
        yield from ()

    def own_config(self, slot: str) -> dict[str, Any]:
        """The part of its configuration that is decided here, in JSON's types. Secrets may be missing."""
        raise NotImplementedError

    def config(self, slot: str) -> dict[str, Any]:
        """The configuration of ``slot``."""
        return merged(self.own_config(slot), self.extra)

    @property
    def credentials(self) -> dict[str, str]:
        """``api_key`` and ``api_secret`` of its configuration."""
        key, secret = next(iter(self.api_keys.items()), ("", None))
        return {"api_key": key, "api_secret": secret.reveal() if secret else ""}

    @property
    def redis_config(self) -> dict[str, Any]:
        """The block ``redis`` of its configuration, with the password."""
        password = self.redis.password
        return self.redis.config() | ({"password": password.reveal()} if password else {})
