"""Settings of livekit-sip. Upstream names: pkg/config/config.go of sip v1.11.0 (facts checked by a run)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, derived, option
from livekit_metal.core.ports import Port, PortRange, Proto, Reach
from livekit_metal.core.redis_client import RedisClient
from livekit_metal.core.slots import decision as slot_decision
from livekit_metal.core.slots.active import Active
from livekit_metal.core.slots.decision import DRAIN_DROP_IN, FINISH_SCRIPT, Refresh
from livekit_metal.core.types.duration import Duration
from livekit_metal.core.types.memory import MOST, WORDS, Memory
from livekit_metal.core.types.secret import Secret
from livekit_metal.core.types.text import File
from livekit_metal.releases import catalogue
from livekit_metal.roles.sip.trunks import Rule, Trunk, together

PROGRAM = "sip"
UNIT = "livekit-sip@{}.service"
USER = "livekit-sip"
SIGNALLING, MEDIA = "trunks", "trunk-media"  # the networks of trunks, as Port.clients names them
MEDIA_TIMEOUT = 15  # s without a packet until livekit-sip hangs up, with BYE; also how a drain ends at its deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain(Checked):
    """How long a slot that was replaced goes on."""

    deadline: Duration = option(Duration.parse("3h"), "then its calls are hung up with BYE")

    def problems(self, path: str) -> Iterator[Problem]:
        if self.deadline < 10:
            yield Problem(f"{path}.deadline", f"is {self.deadline}", "give calls at least 10s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """livekit-sip on each host with the role ``sip``, in slots behind Kamailio; trunks and rules of the site."""

    release: str = option("1.11.0", "version your build is made from")
    source: Literal["file"] = option("file", "where the program comes from: upstream publishes no binary")
    file: File = option("", "path of your own build")
    sha256: str = option("", "its sha256")
    slots: tuple[str, ...] = option(("a", "b", "c"), "names of the slots; a change needs an empty one")
    port: PortRange = option(
        PortRange(5070, 5072), "SIP of the slots (UDP and TCP): calls out leave from here, calls in come by Kamailio"
    )
    rtp: PortRange = option(
        PortRange(10000, 19999), "media (rtp_port), split among the slots; a call takes one even port"
    )
    health: PortRange = option(PortRange(5080, 5082), "health of the slots, for this host only")
    metrics: PortRange = option(PortRange(5090, 5092), "Prometheus metrics of the slots, for the edge")
    hide_inbound_port: bool = option(
        False, "stay silent where a call is refused; nobody but the trunks' networks can call at all"
    )
    max_cpu: float = option(0.9, "share of the host's CPU above which calls out are refused (max_cpu_utilization)")
    memory: Memory = option(MOST, WORDS.format("it, with its calls, and it starts again"))
    log_level: Literal["debug", "info", "warn", "error"] = option("info", "logging.level")
    drain: Drain = option(Drain(), "what a slot does after a change, until its last call has ended")
    trunks: Mapping[str, Trunk] = option({}, "carriers by name")
    rules: Mapping[str, Rule] = option({}, "where calls go, by name")
    extra: Mapping[str, Any] = option({}, "other upstream options; none that is set from here")

    address: str = derived("")  # of this host's interface
    public_address: str = derived("")  # that callers reach
    ws_url: str = derived("")
    api_keys: Mapping[str, Secret] = derived({})
    redis: RedisClient = derived(RedisClient())
    config_root: str = derived("")
    refresh: Refresh = derived(Refresh.NO)
    release_root: str = derived("")
    active: Active = derived(Active())
    lock_file: str = derived("")
    arch: str = derived("")
    dispatch: str = derived("")  # the program that tells Kamailio of the active slot
    secrets: Mapping[str, Secret] = derived({})  # of trunks and rules, by name
    missing: tuple[str, ...] = derived(())  # names of secrets that are not there yet
    wrong: tuple[Problem, ...] = derived(())  # what is wrong with those that are there
    reconciles: bool = derived(False)  # this host's livekit-server is told of trunks and rules

    drain_drop_in: ClassVar[str] = DRAIN_DROP_IN
    finish_file: ClassVar[str] = FINISH_SCRIPT

    def release_spec(self) -> catalogue.Release:
        """The release asked for. Raises SiteError when it is not known from that source."""
        return catalogue.find(
            PROGRAM, self.release, self.source, file=self.file, sha256=self.sha256, path="sip.release"
        )

    def ports(self) -> Iterator[Port]:
        """Every port of every slot, bound or not: a change must never have to open one."""
        table = (
            ("sip", Proto.UDP, self.port, (Reach.TRUNK, (SIGNALLING,)), "SIP of calls out, slot {}", "port"),
            ("sip-tcp", Proto.TCP, self.port, (Reach.TRUNK, (SIGNALLING,)), "SIP of calls out, slot {}", "port"),
            ("rtp", Proto.UDP, self.rtp, (Reach.TRUNK, (MEDIA,)), "media of phone calls, slot {}", "rtp"),
            ("health", Proto.TCP, self.health, (Reach.LOCAL, ()), "health of slot {}", "health"),
            ("metrics", Proto.TCP, self.metrics, (Reach.LOCAL, ()), "metrics of slot {}", "metrics"),
        )
        for name, proto, whole, (reach, clients), purpose, key in table:
            for slot in self.slots:
                part = slot_decision.part(whole, self.slots, slot)
                yield Port("sip", f"{name}-{slot}", proto, part, reach, purpose.format(slot), f"sip.{key}", clients)

    def part(self, name: str, slot: str) -> PortRange:
        """The ports called ``name`` of ``slot``."""
        return next(p.range for p in self.ports() if p.name == f"{name}-{slot}")

    @property
    def ranges(self) -> dict[str, PortRange]:
        """The settings that are ranges of ports, split among the slots."""
        return {name: getattr(self, name) for name in ("port", "rtp", "health", "metrics")}

    def problems(self, path: str) -> Iterator[Problem]:
        if len(set(self.slots)) != len(self.slots) or not 2 <= len(self.slots) <= 5:
            yield Problem(f"{path}.slots", f"are {list(self.slots)}", "name two to five different slots")
            return
        for slot in self.slots:
            if not re.fullmatch(r"[a-z][a-z0-9]{0,7}", slot):
                yield Problem(f"{path}.slots", f"{slot!r} is no slot name", "use a lower-case letter")
        least = {name: len(self.slots) * (2 if name == "rtp" else 1) for name in self.ranges}  # RTP: even ports only
        small = {name: len(ports) for name, ports in self.ranges.items() if len(ports) < least[name]}
        for name, size in small.items():
            yield Problem(f"{path}.{name}", f"has {size} ports for {len(self.slots)} slots", "widen it")
        if not 0 < self.max_cpu <= 1:
            yield Problem(f"{path}.max_cpu", f"is {self.max_cpu}", "choose a share above 0, up to 1")
        yield from together(self.trunks, self.rules, path)
        if not small:
            for key in self.extra.keys() & self._own(self.slots[0]).keys():
                yield Problem(f"{path}.extra.{key}", "is set by livekit-metal", "use the setting that owns it")

    def _own(self, slot: str) -> dict[str, Any]:
        """The part of the config that is decided here, but for secrets. JSON types only."""
        port, rtp = self.part("sip", slot).first, self.part("rtp", slot)
        own: dict[str, Any] = {
            "ws_url": self.ws_url,
            "redis": self.redis.config(),
            "sip_port": port,
            # what Kamailio is told in Contact: it reaches this host's own address, whatever NAT is outside
            "listen_ip": self.address,
            "local_net": f"{self.address}/32",
            "use_external_ip": False,
            "rtp_port": f"{rtp.first}-{rtp.last}",
            "health_port": self.part("health", slot).first,
            "prometheus_port": self.part("metrics", slot).first,
            "logging": {"level": self.log_level, "json": True},
            "max_cpu_utilization": self.max_cpu,
            "hide_inbound_port": self.hide_inbound_port,
            "media_timeout": f"{MEDIA_TIMEOUT}s",
        }
        for name in ("api_key", "api_secret", "media_nat_1_to_1_ip"):
            own[name] = ""
        if self.public_address != self.address:
            own["media_nat_1_to_1_ip"] = self.public_address
        return own

    def config(self, slot: str) -> dict[str, Any]:
        """The configuration of ``slot``, with its secrets: the file is one."""
        key, secret = next(iter(self.api_keys.items()))
        config = {**self._own(slot), **self.extra, "api_key": key, "api_secret": secret.reveal()}
        if self.redis.password:
            config["redis"] = {**config["redis"], "password": self.redis.password.reveal()}
        return config
