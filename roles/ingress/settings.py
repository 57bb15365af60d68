"""Settings of ingress. Upstream names: pkg/config/config.go of ingress v1.5.0."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, derived, option
from livekit_metal.core.passthrough import collisions, merged
from livekit_metal.core.ports import Port, PortRange, Proto, Reach
from livekit_metal.core.redis_client import RedisClient
from livekit_metal.core.slots import decision as slot_decision
from livekit_metal.core.slots.active import Active
from livekit_metal.core.slots.decision import Refresh
from livekit_metal.core.types.duration import Duration
from livekit_metal.core.types.memory import MOST, WORDS, Memory
from livekit_metal.core.types.secret import Secret
from livekit_metal.core.types.text import File, Url
from livekit_metal.releases import catalogue

COMPONENT = "ingress"
PROGRAM = "ingress"  # upstream starts itself again under this very name, found on PATH
UNIT = "livekit-ingress@{}.service"
USER = "livekit-ingress"
CACHE = "/var/cache/livekit-ingress"  # where systemd makes CacheDirectory=livekit-ingress
_SLOWEST_END = 15  # seconds: a handler has 10 s after SIGINT (cmd/server/main.go), the service looks every 5 s


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuCost(Checked):
    """Cores that a stream is taken to need (upstream ``cpu_cost``): one is admitted while more than that is idle."""

    rtmp: float | None = option(None, "an RTMP stream, always transcoded; none: 2, on hosts of 4 cores or more")
    whip: float | None = option(None, "a WHIP stream that is transcoded; none: 2, on hosts of 4 cores or more")
    url: float | None = option(None, "a stream that is fetched from a URL; none: 2, on hosts of 4 cores or more")
    whip_bypass: float = option(0.1, "a WHIP stream that is passed on as it is")
    min_idle: float = option(
        0.3, "share of all cores that is kept free (min_idle_ratio); RTMP and WHIP may use half of it"
    )

    recommended: ClassVar[float] = 2.0  # upstream's own word (pkg/stats/monitor.go, its Helm chart)
    cores: ClassVar[int] = 4  # from here on the recommended costs leave room for a stream

    def cost(self, kind: str) -> float:
        """Of a stream of ``kind``: what the site says, or what upstream recommends."""
        return self.recommended if (said := getattr(self, kind)) is None else float(said)

    def config(self) -> dict[str, float]:
        """The block ``cpu_cost``."""
        return {
            "rtmp_cpu_cost": self.cost("rtmp"),
            "whip_cpu_cost": self.cost("whip"),
            "whip_bypass_transcoding_cpu_cost": self.whip_bypass,
            "url_cpu_cost": self.cost("url"),
            "min_idle_ratio": self.min_idle,
        }

    def problems(self, path: str) -> Iterator[Problem]:
        for kind in ("rtmp", "whip", "url", "whip_bypass"):
            if self.cost(kind) <= 0:
                remedy = "say how many cores it needs: with 0, streams are taken until none gets enough"
                yield Problem(f"{path}.{kind}", f"is {self.cost(kind):g}", remedy)
        if not 0 < self.min_idle < 1:
            yield Problem(f"{path}.min_idle", f"is {self.min_idle:g}", "write a share between 0 and 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain(Checked):
    """How long a slot that was replaced goes on."""

    deadline: Duration = option(
        Duration.parse("3h"), "then its streams are ended; encoders that connect again reach the new slot"
    )
    finish: Duration = option(Duration.parse("20s"), "how long that may take, until what is left is killed")

    def problems(self, path: str) -> Iterator[Problem]:
        if self.deadline < 10:
            yield Problem(f"{path}.deadline", f"is {self.deadline}", "give streams at least 10s")
        if self.finish < _SLOWEST_END:
            fact = f"is {self.finish}, and a stream may take {_SLOWEST_END} s to end"
            yield Problem(f"{path}.finish", fact, f"give it at least {_SLOWEST_END}s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """ingress on one host, in slots."""

    release: str = option("1.5.0", "version from livekit_metal/releases/releases.toml")
    source: Literal["module", "file"] = option("module", "where the binary comes from")
    file: File = option("", "path of your own build (source 'file')")
    sha256: str = option("", "its sha256 (source 'file')")
    slots: tuple[str, ...] = option(("a", "b", "c"), "names of the slots; a change needs an empty one")
    rtmp: PortRange = option(PortRange(1936, 1938), "RTMP of the slots, behind the edge (edge.rtmp)")
    whip: PortRange = option(PortRange(8080, 8082), "WHIP (HTTP) of the slots, behind the edge")
    relay: PortRange = option(PortRange(9590, 9592), "inside a slot, between its processes (http_relay_port)")
    health: PortRange = option(PortRange(9593, 9595), "health of the slots, asked by the edge")
    metrics: PortRange = option(PortRange(9596, 9598), "Prometheus metrics of the slots, behind the edge")
    debug: PortRange = option(PortRange(9599, 9601), "pprof and pipelines of the slots (debug_handler_port)")
    media_udp: PortRange = option(
        PortRange(7885, 7887),
        "media of WHIP (rtc_config.udp_port, mux mode), split among the slots; a slot binds at most one for each core",
    )
    rtmp_base_url: Url = option("", "what streams are told to send to; default: rtmp://PUBLIC ADDRESS:edge.rtmp/x")
    whip_base_url: Url = option("", "the same for WHIP; default: http://PUBLIC ADDRESS:edge.http/w")
    cpu_cost: CpuCost = option(CpuCost(), "what admits a stream")
    process_list: Literal["refuse", "hide", "accept"] = option(
        "refuse",
        "ingress 1.5.0 starts a process for each stream with API secret and Redis password in its arguments: 'refuse' "
        "a host whose /proc shows them to every account, 'hide' them there (mount /proc with hidepid), or 'accept' it",
    )
    memory: Memory = option(MOST, WORDS.format("its largest stream"))
    log_level: Literal["debug", "info", "warn", "error"] = option("info", "logging.level")
    drain: Drain = option(Drain(), "what a slot does after a change, until its last stream has ended")
    extra: Mapping[str, Any] = option({}, "other upstream options as nested mappings; none that is set from here")

    node_ip: str = derived("")
    media_address: str = derived("")
    ws_port: int = derived(0)  # of the edge on this host
    api_keys: Mapping[str, Secret] = derived({})
    redis: RedisClient = derived(RedisClient())
    config_root: str = derived("")
    refresh: Refresh = derived(Refresh.NO)
    release_root: str = derived("")
    active: Active = derived(Active())
    lock_file: str = derived("")
    arch: str = derived("")

    def release_spec(self) -> catalogue.Release:
        """The release asked for. Raises SiteError when it is not known from that source."""
        return catalogue.find(
            COMPONENT, self.release, self.source, file=self.file, sha256=self.sha256, path="ingress.release"
        )

    def ports(self) -> Iterator[Port]:
        """Every port of every slot, bound or not: a change must never have to open one.

        Of those that are LOCAL only the relay listens on loopback; upstream binds the others on every address, and the
        firewall keeps them to the host.
        """
        for name, whole in self.ranges.items():
            media = name == "media_udp"
            for slot in self.slots:
                yield Port(
                    COMPONENT,
                    f"{'media' if media else name}-{slot}",
                    Proto.UDP if media else Proto.TCP,
                    slot_decision.part(whole, self.slots, slot),
                    Reach.PUBLIC if media else Reach.LOCAL,
                    f"{_PURPOSES[name]}, slot {slot}",
                    f"ingress.{name}",
                )

    def part(self, name: str, slot: str) -> PortRange:
        """The ports called ``name`` of ``slot``."""
        return slot_decision.part(getattr(self, name), self.slots, slot)

    @property
    def ranges(self) -> dict[str, PortRange]:
        """The settings that are ranges of ports, split among the slots."""
        return {name: getattr(self, name) for name in _PURPOSES}

    def problems(self, path: str) -> Iterator[Problem]:
        for name, scheme in (("rtmp_base_url", "rtmp"), ("whip_base_url", "http")):
            url = getattr(self, name)
            if url and not re.fullmatch(rf"{scheme}s?://[^/\s]+/\S*[^/\s]", url):
                remedy = f"write it as '{scheme}://live.example.com/{'x' if scheme == 'rtmp' else 'w'}'"
                yield Problem(f"{path}.{name}", f"is {url!r}", remedy)
        if found := tuple(slot_decision.problems(path, self.slots, self.ranges)):
            yield from found
            return
        yield from collisions(self.extra, self._own(self.slots[0]), f"{path}.extra")

    def _own(self, slot: str) -> dict[str, Any]:
        """The part of the config that is decided here. JSON types only; secrets are not in it."""

        def port(name: str) -> int:
            return self.part(name, slot).first

        return {
            "ws_url": f"ws://127.0.0.1:{self.ws_port}",
            "api_key": next(iter(self.api_keys), ""),
            "api_secret": "",
            "redis": self.redis.config(),
            "rtmp_port": port("rtmp"),
            "whip_port": port("whip"),
            "http_relay_port": port("relay"),
            "health_port": port("health"),
            "prometheus_port": port("metrics"),
            "debug_handler_port": port("debug"),
            "logging": {"level": self.log_level, "json": True},
            "cpu_cost": self.cpu_cost.config(),
            "rtc_config": {
                "udp_port": str(self.part("media_udp", slot)),
                "node_ip": self.node_ip,
                "use_external_ip": False,
                "ips": {"includes": [_exactly(self.media_address)]} if self.media_address else {},
            },
        }

    def config(self, slot: str) -> dict[str, Any]:
        """ingress.yaml of ``slot``, with its secrets: ingress takes them from nowhere else."""
        config = merged(self._own(slot), self.extra)
        config["api_secret"] = next(iter(self.api_keys.values())).reveal()
        if self.redis.password:
            config["redis"] |= {"password": self.redis.password.reveal()}
        return config


_PURPOSES = {
    "rtmp": "RTMP",
    "whip": "WHIP (HTTP)",
    "relay": "between the processes of a slot",
    "health": "health",
    "metrics": "metrics",
    "debug": "profiles and pipelines",
    "media_udp": "media of WHIP",
}


def _exactly(address: str) -> str:
    """An address as the CIDR that holds only it: upstream refuses a bare address."""
    return f"{address}/{ipaddress.ip_address(address).max_prefixlen}"
