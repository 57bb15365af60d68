"""Settings of livekit-server. Upstream names: pkg/config/config.go of livekit v1.13.5 (facts checked by a run)."""

from __future__ import annotations

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
from livekit_metal.core.slots.decision import DRAIN_DROP_IN, Refresh
from livekit_metal.core.types.duration import Duration
from livekit_metal.core.types.memory import MOST, WORDS, Memory
from livekit_metal.core.types.secret import Secret
from livekit_metal.core.types.text import File, Url
from livekit_metal.releases import catalogue, compatibility
from livekit_metal.roles.livekit import turn
from livekit_metal.roles.livekit.turn import Turn

PROGRAM = "livekit-server"
UNIT = "livekit-server@{}.service"
USER = "livekit"
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
class Drain(Checked):
    """How long a slot that was replaced goes on."""

    deadline: Duration = option(Duration.parse("5h"), "then it is killed; clients come back by themselves in seconds")
    unjoined: Duration = option(
        Duration.parse("60s"), "how long a deploy waits for rooms that were created and that nobody has joined yet"
    )

    def problems(self, path: str) -> Iterator[Problem]:
        if self.deadline < 10:
            yield Problem(f"{path}.deadline", f"is {self.deadline}", "give calls at least 10s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """livekit-server on one host, in slots."""

    release: str = option("1.13.7", "version from livekit_metal/releases/releases.toml")
    source: Literal["archive", "module", "file"] = option("archive", "where the binary comes from")
    file: File = option("", "path of your own build (source 'file')")
    sha256: str = option("", "its sha256 (source 'file')")
    slots: tuple[str, ...] = option(("a", "b", "c"), "names of the slots; a change needs an empty one")
    signal: PortRange = option(
        PortRange(7890, 7892), "HTTP API and WebSocket of the slots, on loopback behind the edge"
    )
    metrics: PortRange = option(PortRange(6789, 6791), "Prometheus metrics of the slots, on loopback behind the edge")
    debug: PortRange = option(
        PortRange(6060, 6062), "/debug/rooms and pprof of the slots (debug_handler.port), on loopback"
    )
    ice_tcp: PortRange = option(PortRange(7881, 7883), "ICE over TCP (rtc.tcp_port) of the slots")
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
    webhooks: tuple[Url, ...] = option((), "URLs that get webhooks, signed with the current API key")
    turn: Turn = option(Turn(), "TURN, for clients that cannot reach the media ports")
    room: Room = option(Room(), "defaults of rooms")
    limits: Limits = option(Limits(), "limits of a node")
    drain: Drain = option(Drain(), "what a slot does after a change, until nobody needs it any more")
    probe: Literal["controller", "host", "peer"] = option(
        "controller", "from where a call must get through a new slot before any room can land on it"
    )
    memory: Memory = option(MOST, WORDS.format("it, with its rooms, and it starts again"))
    extra: Mapping[str, Any] = option({}, "other upstream options as nested mappings; none that is set from here")

    node_ip: str = derived("")
    media_address: str = derived("")
    media_ipv6: str = derived("")
    media_networks: tuple[str, ...] = derived(())
    interfaces: tuple[str, ...] = derived(())
    turn_name: str = derived("")  # turn.domain of this host
    nodes: tuple[str, ...] = derived(())  # where media of every host of livekit-server is
    api_keys: Mapping[str, Secret] = derived({})
    redis: RedisClient = derived(RedisClient())
    ingress: Mapping[str, str] = derived({})  # rtmp_base_url and whip_base_url: what streams are told to send to
    config_root: str = derived("")
    refresh: Refresh = derived(Refresh.NO)
    release_root: str = derived("")
    active: Active = derived(Active())
    lock_file: str = derived("")
    arch: str = derived("")
    cores: int = derived(0)
    room_configurations: Mapping[str, Any] = derived({})  # room presets of the other roles
    peers: tuple[str, ...] = derived(())  # the other hosts of livekit-server, the next first

    drain_drop_in: ClassVar[str] = DRAIN_DROP_IN

    def release_spec(self) -> catalogue.Release:
        """The release asked for. Raises SiteError when it is not known from that source."""
        return catalogue.find(
            PROGRAM, self.release, self.source, file=self.file, sha256=self.sha256, path="livekit.release"
        )

    def ports(self) -> Iterator[Port]:
        """Every port of every slot, bound or not: a change must never have to open one."""
        table = (
            ("signal", Proto.TCP, self.signal, Reach.LOCAL, "HTTP API and WebSocket of slot {}"),
            ("metrics", Proto.TCP, self.metrics, Reach.LOCAL, "metrics of slot {}"),
            ("debug", Proto.TCP, self.debug, Reach.LOCAL, "rooms and profiles of slot {}"),
            ("ice-tcp", Proto.TCP, self.ice_tcp, Reach.PUBLIC, "ICE over TCP, slot {}"),
            ("media", Proto.UDP, self.media_udp, Reach.PUBLIC, "media of slot {}"),
            ("turn-udp", Proto.UDP, self.turn_udp, Reach.PUBLIC, "TURN and STUN over UDP, slot {}"),
            ("turn-tls", Proto.TCP, self.turn_tls, Reach.LOCAL, "TURN of slot {} behind TLS on 443"),
            ("turn-relay", Proto.UDP, self.turn_relay, Reach.CLUSTER, "relays of slot {}, to media of any node"),
        )
        for name, proto, whole, reach, purpose in table:
            clients = ("media",) if reach is Reach.CLUSTER else ()
            for slot in self.slots:
                part = slot_decision.part(whole, self.slots, slot)
                path = f"livekit.{name.replace('-', '_') if name != 'media' else 'media_udp'}"
                yield Port("livekit", f"{name}-{slot}", proto, part, reach, purpose.format(slot), path, clients)

    def part(self, name: str, slot: str) -> PortRange:
        """The ports called ``name`` of ``slot``."""
        return next(p.range for p in self.ports() if p.name == f"{name}-{slot}")

    @property
    def ranges(self) -> dict[str, PortRange]:
        """The settings that are ranges of ports, split among the slots."""
        inside, outside = ("signal", "metrics", "debug", "turn_tls"), ("ice_tcp", "media_udp", "turn_udp", "turn_relay")
        return {name: getattr(self, name) for name in (*inside, *outside)}

    def problems(self, path: str) -> Iterator[Problem]:
        if found := tuple(slot_decision.problems(path, self.slots, self.ranges)):
            yield from found
            return
        if self.batch_size < 0:
            yield Problem(
                f"{path}.batch_size", f"is {self.batch_size}", "give a number of packets, or 0 for no batches"
            )
        if not _INTERVAL.fullmatch(self.batch_interval):
            yield Problem(f"{path}.batch_interval", f"is {self.batch_interval!r}", "write it like '2ms'")
        yield from collisions(self.extra, self._own(self.slots[0]), f"{path}.extra")

    def _own(self, slot: str) -> dict[str, Any]:
        """The part of the config that is decided here. JSON types only; secrets are not in it."""
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
                "tcp_port": self.part("ice-tcp", slot).first,
                "node_ip": self.node_ip,
                "use_external_ip": False,
                "ips": {"includes": list(self.media_networks)} if self.media_networks else {},
                "batch_io": self._batch_io(),
            },
            "room": {
                "auto_create": self.room.auto_create,
                "empty_timeout": self.room.empty_timeout,
                "departure_timeout": self.room.departure_timeout,
                "max_participants": self.room.max_participants,
            },
            "limit": {
                "num_tracks": self.limits.num_tracks,
                "bytes_per_sec": self.limits.bytes_per_sec,
                "subscription_limit_video": self.limits.subscription_limit_video,
                "subscription_limit_audio": self.limits.subscription_limit_audio,
            },
            "turn": turn.config(self, slot),
            "redis": self.redis.config(),
        }
        if self.interfaces:
            own["rtc"]["interfaces"] = {"includes": list(self.interfaces)}
        if self.ingress:
            own["ingress"] = dict(self.ingress)
        if self.room_configurations:
            own["room"]["room_configurations"] = dict(self.room_configurations)
        if self.webhooks:
            own["webhook"] = {"urls": list(self.webhooks), "api_key": next(iter(self.api_keys), "")}
        return own

    def _batch_io(self) -> dict[str, Any]:
        """Upstream batches where the size is above 0 (mediatransportutil, pkg/rtcconfig/webrtc_config.go)."""
        interval = {"max_flush_interval": self.batch_interval} if self.batch_size else {}
        return {"batch_size": self.batch_size, **interval}

    def config(self, slot: str) -> dict[str, Any]:
        """livekit.yaml of ``slot`` for the release (keys and passwords reach the server by other ways)."""
        return compatibility.known(PROGRAM, self.release, merged(self._own(slot), self.extra))
