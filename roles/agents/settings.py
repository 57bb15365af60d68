"""Settings of agents. Upstream names: livekit/agents/worker.py of livekit-agents 1.8.9 (read, and run).

Those of Node: dist/worker.js of @livekit/agents 1.9.0.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import REQUIRED, Checked, derived, option
from livekit_metal.core.ports import Port, PortRange, Proto, Reach
from livekit_metal.core.types.duration import Duration
from livekit_metal.core.types.memory import MOST, WORDS, Memory
from livekit_metal.core.types.secret import Secret
from livekit_metal.core.types.text import File, Variable, Word
from livekit_metal.roles.agents.code import Source
from livekit_metal.site import slotted_settings
from livekit_metal.site.slotted_settings import DRAIN, SlotPort, SlottedSettings

_NAME = r"[a-z][a-z0-9-]{0,15}"  # with what stands before it, a user's name has 32 characters at most
_OURS = ("LIVEKIT_", "LKM_", "PYTHON", "PROMETHEUS_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain(slotted_settings.Drain):
    """How long the jobs of a slot that was replaced go on."""

    deadline: Duration = option(Duration.parse("1h"), "then its jobs are ended: their shutdown callbacks run")

    holds: ClassVar[str] = "jobs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet(SlottedSettings):
    """Workers of one kind."""

    slot_ports: ClassVar[tuple[SlotPort, ...]] = (
        SlotPort(name="health", proto=Proto.TCP, reach=Reach.LOCAL, purpose="health, jobs and metrics, slot {}"),
    )

    source: Source = option(REQUIRED, "where its code is")  # type: ignore[assignment]
    hosts: tuple[str, ...] = option((), "the hosts that run it, all with the role; none named: every one with the role")
    agent_name: Word = option("", "the name that dispatches ask for (agent_name); default: the fleet's")
    environment: Mapping[Variable, str] = option({}, "variables for the code")
    secrets: tuple[Variable, ...] = option((), "variables whose values are secrets: agent-NAME in the secrets file")
    speaks: bool = option(False, "the proof waits until the agent has published sound")
    idle: int = option(1, "processes that wait for a job (num_idle_processes)")
    load_threshold: float = option(
        0.7,
        "load from which on a worker takes no job (load_threshold), of the host by default; 1: it always takes one",
    )
    health: PortRange = option(PortRange(9610, 9612), "health, jobs and metrics of the slots, on loopback")
    drain: Drain = option(Drain(), DRAIN.format("job"))
    gpu: bool = option(False, "its workers may use the GPUs of their hosts (NVIDIA's), and no other device")
    memory: Memory = option(MOST, WORDS.format("its largest process"))
    log_level: Literal["debug", "info", "warn", "error"] = option("info", "of the worker (log_level)")

    release: str = derived("")
    file: File = derived("")
    sha256: str = derived("")
    extra: Mapping[str, Any] = derived({})

    name: str = derived("")
    redispatch: bool = derived(False)
    directory: str = derived("")  # of its code on this machine
    values: Mapping[str, Secret] = derived({})  # of its secrets
    lacks: tuple[str, ...] = derived(())  # secrets that nobody has set

    @property
    def component(self) -> str:  # type: ignore[override]
        return f"agents-{self.name}"

    @property
    def program(self) -> str:  # type: ignore[override]
        """Each fleet has releases of its own."""
        return self.component

    @property
    def unit(self) -> str:  # type: ignore[override]
        return f"livekit-{self.component}@{{}}.service"

    @property
    def user(self) -> str:  # type: ignore[override]
        return f"livekit-{self.component}"

    @property
    def path(self) -> str:
        return f"agents.{self.name}"

    @property
    def templates(self) -> str:
        return "agents"

    @property
    def answers_to(self) -> str:
        """What dispatches call it."""
        return self.agent_name or self.name

    def record(self, slot: str) -> dict[str, object]:
        return {"health": self.part("health", slot).first}

    def more_problems(self, path: str) -> Iterator[Problem]:
        if not 0 < self.load_threshold <= 1:
            yield Problem(f"{path}.load_threshold", f"is {self.load_threshold:g}", "write a share above 0, 1 at most")
        if not 0 <= self.idle <= 64:
            yield Problem(f"{path}.idle", f"is {self.idle}", "write how many processes wait for a job")
        for kind, names in (("environment", self.environment), ("secrets", self.secrets)):
            for name in names:
                if name.startswith(_OURS):
                    yield Problem(f"{path}.{kind}.{name}", "is set by livekit-metal", "use the setting that owns it")
        for name in self.secrets:
            if name in self.environment:
                yield Problem(f"{path}.secrets", f"{name} is in environment, too", "keep one of them")

    def own_config(self, slot: str) -> dict[str, Any]:
        """What the launcher reads, with the secrets."""
        return {
            "ws_url": self.ws_url,
            **self.credentials,
            "agent_name": self.answers_to,
            "deployment": "",
            "entrypoint": self.source.entry,
            "interpreter": self.source.version,
            "port": self.part("health", slot).first,
            "drain_timeout": int(self.drain.deadline),
            "num_idle_processes": self.idle,
            "load_threshold": self.load_threshold,
            "log_level": self.log_level,
            **({"redispatch": True} if self.redispatch else {}),
            "environment": {**self.environment, **{name: value.reveal() for name, value in self.values.items()}},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """Fleets of workers, by name."""

    rest: ClassVar[str] = "fleets"

    redispatch: bool = option(
        False, "a job that ends by a crash, of itself or of its worker, is dispatched again where people are left"
    )
    fleets: Mapping[str, Fleet] = option({}, "a fleet, by its name; any number of them")

    @property
    def daemons(self) -> tuple[Fleet, ...]:
        """The fleets, each with its name."""
        return tuple(
            dataclasses.replace(fleet, name=name, redispatch=self.redispatch) for name, fleet in self.fleets.items()
        )

    def having(self, component: str, then: Mapping[str, Any]) -> Settings:
        """The same with other settings ``then`` of the fleet that is in slots as ``component``."""
        found = ((dataclasses.replace(f, **then) if f.component == component else f) for f in self.daemons)
        return dataclasses.replace(self, fleets={fleet.name: fleet for fleet in found})

    def problems(self, path: str) -> Iterator[Problem]:
        for name in self.fleets:
            if not re.fullmatch(_NAME, name, re.ASCII):
                remedy = "use 16 lower-case letters, digits and dashes at most"
                yield Problem(f"{path}.{name}", f"{name!r} is not a name for a fleet", remedy)

    def ports(self) -> Iterator[Port]:
        for fleet in self.daemons:
            yield from fleet.ports()
