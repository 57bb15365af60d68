"""Settings of livekit-server. Upstream names: pkg/config/config.go of livekit v1.13.5 (facts checked by a run)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import derived, option
from livekit_metal.core.passthrough import merged
from livekit_metal.core.ports import Port, PortRange, Proto, Reach
from livekit_metal.core.types.duration import Duration
from livekit_metal.core.types.memory import MOST, WORDS, Memory
from livekit_metal.core.types.quality import Quality
from livekit_metal.core.types.text import WebUrl
from livekit_metal.releases import compatibility
from livekit_metal.roles.livekit import turn
from livekit_metal.roles.livekit.turn import Turn
from livekit_metal.site import slotted_settings
from livekit_metal.site.slotted_settings import RELEASE, SlotPort, SlottedSettings

MEDIA, RELAYS = "livekit/media", "livekit/turn-relay"  # their ports in the registry, without the slot
_INTERVAL = re.compile(r"(\d+(\.\d+)?(us|ms|s))+")  # a length of time as Go reads it


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Defaults of rooms (upstream ``room.*``)."""

    auto_create: bool = option(True, "make a room when its first participant joins")
    empty_timeout: int = option(300, "seconds an empty, never joined room lives")
    departure_timeout: int = option(20, "seconds a room lives after its last participant left")
    max_participants: int = option(0, "participants per room; 0 = no limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one node (upstream ``limit.*``); a node over a limit takes no new participants."""

    num_tracks: int = option(0, "published and subscribed tracks on a node; 0 = no limit")
    bytes_per_sec: float = option(0.0, "bytes per second through a node; 0 = no limit")
    subscription_limit_video: int = option(0, "video tracks a participant may subscribe to; 0 = no limit")
    subscription_limit_audio: int = option(0, "audio tracks a participant may subscribe to; 0 = no limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain(slotted_settings.Drain):
    """How long a slot that was replaced goes on."""

    deadline: Duration = option(Duration.parse("5h"), "then it is killed; clients come back by themselves in seconds")
    unjoined: Duration = option(
        Duration.parse("60s"), "how long a deploy waits for rooms that were created and that nobody has joined yet"
    )

    holds: ClassVar[str] = "calls"


def _inside(name: str, purpose: str, setting: str = "") -> SlotPort:
    return SlotPort(name=name, proto=Proto.TCP, reach=Reach.LOCAL, purpose=purpose, setting=setting)


def _public(name: str, proto: Proto, purpose: str, setting: str) -> SlotPort:
    return SlotPort(name=name, proto=proto, reach=Reach.PUBLIC, purpose=purpose, setting=setting)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(SlottedSettings):
    """livekit-server on one host, in slots."""

    component: ClassVar[str] = "livekit"
    program: ClassVar[str] = "livekit-server"
    unit: ClassVar[str] = "livekit-server@{}.service"
    user: ClassVar[str] = "livekit"
    slot_ports: ClassVar[tuple[SlotPort, ...]] = (
        _inside("signal", "HTTP API and WebSocket of slot {}"),
        _inside("metrics", "metrics of slot {}"),
        _inside("debug", "rooms and profiles of slot {}"),
        _public("ice-tcp", Proto.TCP, "ICE over TCP, slot {}", "ice_tcp"),
        _public("media", Proto.UDP, "media of slot {}", "media_udp"),
        _public("turn-udp", Proto.UDP, "TURN and STUN over UDP, slot {}", "turn_udp"),
        _inside("turn-tls", "TURN of slot {} behind TLS on 443", "turn_tls"),
        SlotPort(
            name="turn-relay",
            proto=Proto.UDP,
            reach=Reach.CLUSTER,
            purpose="relays of slot {}, to media of any node",
            setting="turn_relay",
            clients=("media",),
        ),
    )

    release: str = option("1.13.7", RELEASE)
    source: Literal["archive", "module", "file"] = option("archive", "where the binary comes from")
    signal: PortRange = option(
        PortRange(7890, 7892), "HTTP API and WebSocket of the slots, on loopback behind the edge"
    )
    metrics: PortRange = option(PortRange(6789, 6791), "Prometheus metrics of the slots, on loopback behind the edge")
    debug: PortRange = option(
        PortRange(6060, 6062), "/debug/rooms and pprof of the slots (debug_handler.port), on loopback"
    )
    ice_tcp: PortRange = option(PortRange(7881, 7883), "ICE over TCP (rtc.tcp_port) of the slots")
    ice_over_tcp: bool = option(
        True, "ICE over TCP is there, for whoever cannot send UDP; without it rtc.tcp_port is 0"
    )
    media_udp: PortRange = option(
        PortRange(50000, 60000),
        "media (rtc.udp_port, mux mode), split among the slots; a slot binds as many ports as the host has cores, "
        "so a far smaller range does: slots x cores",
    )
    turn_udp: PortRange = option(PortRange(3478, 3480), "TURN and STUN over UDP (turn.udp_port) of the slots")
    turn_tls: PortRange = option(
        PortRange(5349, 5351), "TURN over TCP (turn.tls_port) of the slots, for the edge, which speaks TLS for it"
    )
    turn_relay: PortRange = option(
        PortRange(30000, 39999), "relays (turn.relay_range_start and _end), split among the slots; one for each client"
    )
    batch_size: int = option(
        0,
        "packets that one system call sends (rtc.batch_io.batch_size; upstream's example: 128); 0: each by itself. It "
        "saves 8 to 14 % of CPU from 4,000 forwarded packets a second on, nothing below 2,000, and costs 5 % of "
        "a core while idle. It lets every guest take packets from calls in other rooms: when the kernel refuses one "
        "packet, such as to an address that a guest made up, whatever stands behind it in the batch is lost",
    )
    batch_interval: str = option("2ms", "with batch_size: longest wait for a batch (rtc.batch_io.max_flush_interval)")
    region: str = option("", "region of the nodes (needed by node_selector regionaware, through extra)")
    log_level: Literal["debug", "info", "warn", "error"] = option("info", "logging.level")
    webhooks: tuple[WebUrl, ...] = option((), "URLs that get webhooks, signed with the current API key")
    turn: Turn = option(Turn(), "TURN, for clients that cannot reach the media ports")
    room: Room = option(Room(), "defaults of rooms")
    limits: Limits = option(Limits(), "limits of a node")
    quality: Quality = option(Quality(), "how good a way for media must be, for the doctor to find nothing wrong")
    drain: Drain = option(Drain(), "what a slot does after a change, until nobody needs it any more")
    probe: Literal["controller", "host", "peer"] = option(
        "controller", "from where a call must get through a new slot before any room can land on it"
    )
    memory: Memory = option(MOST, WORDS.format("it, with its rooms, and it starts again"))

    node_ip: str = derived("")
    inside: bool = derived(False)  # clients are told the host's own addresses, too
    stun: tuple[str, ...] = derived(())  # who tells the address outside, with hosts.NAME.public discover
    media_address: str = derived("")
    media_ipv6: str = derived("")
    media_networks: tuple[str, ...] = derived(())
    interfaces: tuple[str, ...] = derived(())
    turn_name: str = derived("")  # turn.domain of this host
    turn_header: bool | None = derived(None)  # of the generation that is gone back to; None: as the release has it
    nodes: tuple[str, ...] = derived(())  # where media of every host of livekit-server is
    ingress: Mapping[str, str] = derived({})  # rtmp_base_url and whip_base_url: what streams are told to send to
    cores: int = derived(0)
    room_configurations: Mapping[str, Any] = derived({})  # room presets of the other roles
    peers: tuple[str, ...] = derived(())  # the other hosts of livekit-server, the next first
    watchers: tuple[str, ...] = derived(())  # URLs of ours that get webhooks, too
    watched: tuple[str, ...] = derived(())  # the events that they are for

    @property
    def ranges(self) -> dict[str, PortRange]:
        """As every generation records them: in another order they would be another generation, on every host."""
        inside, outside = ("signal", "metrics", "debug", "turn_tls"), ("ice_tcp", "media_udp", "turn_udp", "turn_relay")
        return {name: getattr(self, name) for name in (*inside, *outside)}

    def ports(self) -> Iterator[Port]:
        off = set() if self.turn.enabled else {"turn-udp", "turn-tls", "turn-relay"}
        if not self.ice_over_tcp:
            off.add("ice-tcp")
        yield from (port for port in SlottedSettings.ports(self) if port.name.rpartition("-")[0] not in off)
        if self.turn.udp_443:
            yield turn.port(tuple(filter(None, (self.media_address, self.media_ipv6))))

    @property
    def tcp(self) -> Mapping[str, int]:
        """Slot -> its port for ICE over TCP; 0: there is none."""
        return {slot: self.part("ice-tcp", slot).first if self.ice_over_tcp else 0 for slot in self.slots}

    def record(self, slot: str) -> dict[str, object]:
        ports: dict[str, object] = {name: self.part(name, slot).first for name in ("signal", "metrics", "debug")}
        return ports | ({"turn": "PROXY"} if turn.header(self) else {})

    @classmethod
    def earlier(cls, lines: Sequence[str]) -> dict[str, Any]:
        return {"turn_header": any(line.endswith(" turn PROXY") for line in lines)}

    def instead_of_low(self, name: str) -> str:
        return SlottedSettings.instead_of_low(self, name) + (turn.INSTEAD if name == "turn_udp" else "")

    def more_problems(self, path: str) -> Iterator[Problem]:
        yield from turn.beside_others(self, path)
        if self.batch_size < 0:
            yield Problem(
                f"{path}.batch_size", f"is {self.batch_size}", "give a number of packets, or 0 for no batches"
            )
        if not _INTERVAL.fullmatch(self.batch_interval):
            yield Problem(f"{path}.batch_interval", f"is {self.batch_interval!r}", "write it like '2ms'")

    def own_config(self, slot: str) -> dict[str, Any]:
        """The part of its configuration that is decided here, in JSON's types, without secrets."""
        media = self.part("media", slot)
        own: dict[str, Any] = {
            "port": self.part("signal", slot).first,
            "bind_addresses": ["127.0.0.1"],
            "prometheus": {"port": self.part("metrics", slot).first},
            "debug_handler": {"port": self.part("debug", slot).first},
            "logging": {"level": self.log_level, "json": True},
            "region": self.region,
            "rtc": {
                "udp_port": str(media),
                "tcp_port": self.tcp[slot],
                "node_ip": self.node_ip,
                "use_external_ip": False,
                "ips": {"includes": list(self.media_networks)} if self.media_networks else {},
                "batch_io": self._batch_io(),
            },
            "room": asdict(self.room),  # its fields have upstream's names
            "limit": asdict(self.limits),
            "turn": turn.config(self, slot),
            # HTTP/3 for agents, on a UDP port that the registry has not got: 0 starts no listener (1.13.8)
            "webtransport": {"port": 0},
            # signalling goes by Redis: it outlasts a reboot of Redis' host (decision 049; upstream: 7.5 s)
            "signal_relay": {"retry_timeout": "2m"},
            "redis": self.redis.config(),
        }
        if self.inside:
            own["rtc"]["advertise_internal_ip"] = True
        if self.interfaces:
            own["rtc"]["interfaces"] = {"includes": list(self.interfaces)}
        if self.ingress:
            own["ingress"] = dict(self.ingress)
        if told := turn.told(self):
            own["rtc"]["turn_servers"] = told
        if self.room_configurations:
            own["room"]["room_configurations"] = dict(self.room_configurations)
        if urls := (*self.webhooks, *self.watchers):
            own["webhook"] = {"urls": list(urls), "api_key": next(iter(self.api_keys), "")}
            if not self.webhooks:
                own["webhook"]["filter_params"] = {"include_events": list(self.watched)}
        return own

    def _batch_io(self) -> dict[str, Any]:
        """Upstream batches where the size is above 0 (mediatransportutil, pkg/rtcconfig/webrtc_config.go)."""
        interval = {"max_flush_interval": self.batch_interval} if self.batch_size else {}
        return {"batch_size": self.batch_size, **interval}

    def config(self, slot: str) -> dict[str, Any]:
        """livekit.yaml of ``slot`` for the release (keys and passwords reach the server by other ways)."""
        return compatibility.known(self.program, self.release, merged(self.own_config(slot), self.extra))
