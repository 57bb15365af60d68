"""Settings of ingress. Upstream names: pkg/config/config.go of ingress v1.5.0."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, derived, option
from livekit_metal.core.ports import PortRange, Proto, Reach
from livekit_metal.core.types.duration import Duration
from livekit_metal.core.types.memory import MOST, WORDS, Memory
from livekit_metal.core.types.text import Url
from livekit_metal.site import slotted_settings
from livekit_metal.site.slotted_settings import DRAIN, RELEASE, SlotPort, SlottedSettings

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
class Drain(slotted_settings.Drain):
    """How long a slot that was replaced goes on."""

    deadline: Duration = option(
        Duration.parse("3h"), "then its streams are ended; encoders that connect again reach the new slot"
    )
    finish: Duration = option(Duration.parse("20s"), "how long that may take, until what is left is killed")

    holds: ClassVar[str] = "streams"

    def more_problems(self, path: str) -> Iterator[Problem]:
        if self.finish < _SLOWEST_END:
            fact = f"is {self.finish}, and a stream may take {_SLOWEST_END} s to end"
            yield Problem(f"{path}.finish", fact, f"give it at least {_SLOWEST_END}s")


def _inside(name: str, purpose: str) -> SlotPort:
    """A port for this host only.

    Only the relay's listens on loopback; upstream binds the others on every address, and the firewall keeps them to
    the host.
    """
    return SlotPort(name=name, proto=Proto.TCP, reach=Reach.LOCAL, purpose=f"{purpose}, slot {{}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(SlottedSettings):
    """ingress on one host, in slots."""

    component: ClassVar[str] = "ingress"
    program: ClassVar[str] = "ingress"  # upstream starts itself again under this very name, found on PATH
    unit: ClassVar[str] = "livekit-ingress@{}.service"
    user: ClassVar[str] = "livekit-ingress"
    slot_ports: ClassVar[tuple[SlotPort, ...]] = (
        _inside("rtmp", "RTMP"),
        _inside("whip", "WHIP (HTTP)"),
        _inside("relay", "between the processes of a slot"),
        _inside("health", "health"),
        _inside("metrics", "metrics"),
        _inside("debug", "profiles and pipelines"),
        SlotPort(
            name="media",
            proto=Proto.UDP,
            reach=Reach.PUBLIC,
            purpose="media of WHIP, slot {}",
            setting="media_udp",
        ),
    )

    release: str = option("1.5.0", RELEASE)
    source: Literal["module", "file"] = option("module", "where the binary comes from")
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
    drain: Drain = option(Drain(), DRAIN.format("stream"))

    node_ip: str = derived("")
    media_address: str = derived("")

    def record(self, slot: str) -> dict[str, object]:
        return {(port.setting or port.name): self.part(port.name, slot).first for port in self.slot_ports}

    def more_problems(self, path: str) -> Iterator[Problem]:
        for name, scheme in (("rtmp_base_url", "rtmp"), ("whip_base_url", "http")):
            url = getattr(self, name)
            if url and not re.fullmatch(rf"{scheme}s?://[^/\s]+/\S*[^/\s]", url):
                remedy = f"write it as '{scheme}://live.example.com/{'x' if scheme == 'rtmp' else 'w'}'"
                yield Problem(f"{path}.{name}", f"is {url!r}", remedy)

    def own_config(self, slot: str) -> dict[str, Any]:
        """The part of its configuration that is decided here, in JSON's types, with the secrets."""

        def port(name: str) -> int:
            return self.part(name, slot).first

        return {
            "ws_url": self.ws_url,
            **self.credentials,
            "redis": self.redis_config,
            "rtmp_port": port("rtmp"),
            "whip_port": port("whip"),
            "http_relay_port": port("relay"),
            "health_port": port("health"),
            "prometheus_port": port("metrics"),
            "debug_handler_port": port("debug"),
            "logging": {"level": self.log_level, "json": True},
            "cpu_cost": self.cpu_cost.config(),
            "rtc_config": {
                "udp_port": str(self.part("media", slot)),
                "node_ip": self.node_ip,
                "use_external_ip": False,
                "ips": {"includes": [_exactly(self.media_address)]} if self.media_address else {},
            },
        }


def _exactly(address: str) -> str:
    """An address as the CIDR that holds only it: upstream refuses a bare address."""
    return f"{address}/{ipaddress.ip_address(address).max_prefixlen}"
