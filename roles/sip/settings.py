"""Settings of livekit-sip. Upstream names: pkg/config/config.go of sip v1.11.0 (facts checked by a run)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import derived, option
from livekit_metal.core.ports import PortRange, Proto, Reach
from livekit_metal.core.types.duration import Duration
from livekit_metal.core.types.memory import MOST, WORDS, Memory
from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.sip.rules import Rule
from livekit_metal.roles.sip.shared import silence
from livekit_metal.roles.sip.together import together
from livekit_metal.roles.sip.trunks import Outbound, Trunk
from livekit_metal.site import slotted_settings
from livekit_metal.site.slotted_settings import DRAIN, SlotPort, SlottedSettings

SIGNALLING, MEDIA = "trunks", "trunk-media"  # the networks of trunks, as Port.clients names them


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain(slotted_settings.Drain):
    """How long a slot that was replaced goes on."""

    deadline: Duration = option(Duration.parse("3h"), "then its calls are hung up with BYE")

    holds: ClassVar[str] = "calls"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(SlottedSettings):
    """livekit-sip on each host with the role ``sip``, in slots behind Kamailio; trunks and rules of the site."""

    component: ClassVar[str] = "sip"
    program: ClassVar[str] = "sip"
    unit: ClassVar[str] = "livekit-sip@{}.service"
    user: ClassVar[str] = "livekit-sip"
    slot_ports: ClassVar[tuple[SlotPort, ...]] = (
        *(
            SlotPort(
                name=name,
                proto=proto,
                reach=Reach.TRUNK,
                purpose="SIP of calls out, slot {}",
                setting="port",
                clients=(SIGNALLING,),
            )
            for name, proto in (("sip", Proto.UDP), ("sip-tcp", Proto.TCP))
        ),
        SlotPort(
            name="rtp",
            proto=Proto.UDP,
            reach=Reach.TRUNK,
            purpose="media of phone calls, slot {}",
            clients=(MEDIA,),
            least=2,  # even ports only
        ),
        SlotPort(name="health", proto=Proto.TCP, reach=Reach.LOCAL, purpose="health of slot {}"),
        SlotPort(name="metrics", proto=Proto.TCP, reach=Reach.LOCAL, purpose="metrics of slot {}"),
    )

    release: str = option("1.11.0", "version your build is made from")
    source: Literal["file"] = option("file", "where the program comes from: upstream publishes no binary")
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
    media_timeout: Duration = option(
        Duration(15), "seconds without a packet of sound until a call is hung up, with BYE; also how a drain ends"
    )
    max_cpu: float = option(0.9, "share of the host's CPU above which calls out are refused (max_cpu_utilization)")
    memory: Memory = option(MOST, WORDS.format("it, with its calls, and it starts again"))
    log_level: Literal["debug", "info", "warn", "error"] = option("info", "logging.level")
    drain: Drain = option(Drain(), DRAIN.format("call"))
    trunks: Mapping[str, Trunk] = option({}, "carriers by name")
    rules: Mapping[str, Rule] = option({}, "where calls go, by name")

    address: str = derived("")  # of this host's interface
    public_address: str = derived("")  # that callers reach
    way_out: str = derived("")  # host:port where Kamailio takes calls out from a slot, the same on every host
    trunk_header: str = derived("")  # tells Kamailio the trunk of a call out
    secure_out: bool = derived(False)  # Kamailio speaks TLS
    dispatch: str = derived("")  # the program that tells Kamailio of the active slot
    secrets: Mapping[str, Secret] = derived({})  # of trunks and rules, by name
    missing: tuple[str, ...] = derived(())  # names of secrets that are not there yet
    wrong: tuple[Problem, ...] = derived(())  # what is wrong with those that are there
    reconciles: bool = derived(False)  # this host's livekit-server is told of trunks and rules

    def by_kamailio(self, out: Outbound) -> bool:
        """Whether calls out go by Kamailio, and not straight from the slot."""
        return out.via == "kamailio" or (out.via == "auto" and (out.transport != "tls" or self.secure_out))

    @property
    def patience(self) -> int:
        """Seconds after which the last silent call has been hung up, whatever its trunk or rule says."""
        parts = (*self.trunks.values(), *(t.outbound for t in self.trunks.values()), *self.rules.values())
        return max(self.media_timeout, *(part.media_timeout or 0 for part in parts if part), 0)

    def record(self, slot: str) -> dict[str, object]:
        ports = {name: self.part(name, slot).first for name in ("sip", "health", "metrics")}
        return {"address": self.address, **ports, "rtp": self.part("rtp", slot)}

    def more_problems(self, path: str) -> Iterator[Problem]:
        if not 0 < self.max_cpu <= 1:
            yield Problem(f"{path}.max_cpu", f"is {self.max_cpu}", "choose a share above 0, up to 1")
        yield from silence(self.media_timeout, f"{path}.media_timeout")
        yield from together(self.trunks, self.rules, path)

    def own_config(self, slot: str) -> dict[str, Any]:
        """The part of its configuration that is decided here, in JSON's types, with the secrets."""
        port, rtp = self.part("sip", slot).first, self.part("rtp", slot)
        return {
            "ws_url": self.ws_url,
            "redis": self.redis_config,
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
            "media_timeout": f"{int(self.media_timeout)}s",
            **self.credentials,
            "media_nat_1_to_1_ip": self.public_address if self.public_address != self.address else "",
        }
