"""Settings of egress. Upstream names: pkg/config/base.go, service.go of egress v1.14.1 (facts checked by a run)."""

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
from livekit_metal.core.types.text import WebUrl
from livekit_metal.roles.egress import debian
from livekit_metal.roles.egress.storage import Storage
from livekit_metal.site import slotted_settings
from livekit_metal.site.slotted_settings import DRAIN, RELEASE, SlotPort, SlottedSettings

SCRATCH = "/home/egress/tmp"  # fixed in the program (TmpDir of pkg/config/base.go)

# What one recording takes, in cores: egress refuses it on a host with fewer (pkg/config/service.go).
COSTS = {
    "track": 0.5,
    "track_composite": 1.0,
    "audio_room": 1.0,
    "participant": 2.0,
    "room_composite": 4.0,
    "web": 4.0,
}
# The keys of cpu_cost that say otherwise, the first that is there (InitDefaults of pkg/config/service.go).
_COST_KEYS = {kind: (f"{kind}_cpu_cost",) for kind in COSTS} | {
    "audio_room": ("sdk_audio_room_composite_cpu_cost", "audio_room_composite_cpu_cost")
}
BROWSER = ("room_composite", "web")  # recorded by a browser
Kind = Literal["track", "track_composite", "audio_room", "participant", "room_composite", "web"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one recording (upstream ``session_limits``); it ends in good order when it reaches one."""

    file_duration: Duration = option(Duration(0), "of a file (file_output_max_duration); 0 = none")
    file_mb: int = option(0, "size of a file in megabytes (file_output_max_size); 0 = none")
    stream_duration: Duration = option(Duration(0), "of a stream (stream_output_max_duration); 0 = none")
    segment_duration: Duration = option(Duration(0), "of HLS segments (segment_output_max_duration); 0 = none")
    image_duration: Duration = option(Duration(0), "of images (image_output_max_duration); 0 = none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain(slotted_settings.Drain):
    """How long the recordings of a slot that was replaced go on."""

    deadline: Duration = option(Duration.parse("5h"), "then they are ended in good order, file and all")
    finalise: Duration = option(Duration.parse("10m"), "how long that may take, upload included; then it is killed")

    holds: ClassVar[str] = "recordings"

    def more_problems(self, path: str) -> Iterator[Problem]:
        if self.finalise < 60:
            yield Problem(
                f"{path}.finalise", f"is {self.finalise}", "30 s are for the end of a stream: give at least 60s"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(SlottedSettings):
    """egress on one host, in slots."""

    component: ClassVar[str] = "egress"
    program: ClassVar[str] = "egress"  # it starts itself again by this name, from PATH
    unit: ClassVar[str] = "livekit-egress@{}.service"
    user: ClassVar[str] = "livekit-egress"
    slot_ports: ClassVar[tuple[SlotPort, ...]] = (
        SlotPort(name="health", proto=Proto.TCP, reach=Reach.LOCAL, purpose="health of egress, slot {}"),
        SlotPort(name="metrics", proto=Proto.TCP, reach=Reach.LOCAL, purpose="metrics of egress, slot {}"),
        SlotPort(name="template", proto=Proto.TCP, reach=Reach.LOCAL, purpose="page to be recorded, slot {}"),
    )
    scratch: ClassVar[str] = SCRATCH

    release: str = option("1.14.1", RELEASE)
    source: Literal["image", "file"] = option("image", "where the program comes from: upstream publishes images only")
    image: str = option("", "where a registry of your own keeps the image (source 'image')")
    sha256: str = option("", "its sha256, or the digest of an image of your own")
    profile: Literal["sdk", "full"] = option(
        "sdk",
        "'sdk': tracks, participants, audio of rooms; 'full': also rooms and web pages, by the image's browser or "
        "(source 'file') Debian's",
    )
    records: tuple[Kind, ...] = option(
        ("track",), f"what the site wants to record: {', '.join(COSTS)}; preflight counts the cores for it"
    )
    health: PortRange = option(PortRange(7983, 7985), "health of the slots; also tells what they record")
    metrics: PortRange = option(PortRange(7986, 7988), "Prometheus metrics of the slots, scraped through the edge")
    template: PortRange = option(PortRange(7980, 7982), "page that a browser records (template_port) of the slots")
    storage: Storage = option(Storage(), "where files go; without a store they stay on the host, below files")
    backup: bool = option(True, "keep a file on the host when its upload fails (procedures/reupload.py delivers it)")
    disk_mb: int = option(
        1024, "megabytes that recordings may take at once; twice as much must be free (they are copied)"
    )
    page: WebUrl = option(
        "",
        "page of your own that shows rooms to a browser (template_base); a request may name another; '' = egress' own",
    )
    presets: Mapping[str, str] = option(
        {}, "room preset -> name of the file; each track of a room made with it is recorded (auto track egress)"
    )
    limits: Limits = option(Limits(), "limits of one recording")
    drain: Drain = option(Drain(), DRAIN.format("recording"))
    memory: Memory = option(MOST, WORDS.format("its largest recording"))
    log_level: Literal["debug", "info"] = option("info", "logging.level; readiness is read from the log")

    storage_secret: Secret | None = derived(None)

    @property
    def browser(self) -> bool:
        return self.profile == "full"

    @property
    def debian(self) -> bool:
        """Whether the browser, its sound and its displays are Debian's."""
        return self.browser and self.source == "file"

    @property
    def state(self) -> str:
        """Below it: a slot's scratch, its home (``SLOT-home``) with a browser, ``backup``, ``cut-short``, ``files``."""
        return f"{self.state_root}/egress"

    @property
    def as_user(self) -> str:
        """Shell words before a command that goes to what egress keeps: it may have put a link there."""
        return f"setpriv --reuid={self.user} --regid={self.user} --clear-groups"

    @property
    def cores(self) -> dict[str, float]:
        """Cores that a host must have for each kind of recording the site wants: by cpu_cost in ``extra``, too."""
        said = self.extra.get("cpu_cost", {})
        costs = said if isinstance(said, Mapping) else {}
        return {kind: next(_costs(costs, kind), COSTS[kind]) for kind in self.records}

    def memory_of(self, kind: str) -> int:
        """Megabytes that one recording of ``kind`` takes; 0 where nothing was measured."""
        return debian.MEMORY_MB if self.debian and kind in BROWSER else 0

    @property
    def packages(self) -> tuple[str, ...]:
        """rclone, which proves the store and delivers what an upload left behind; the rest where no image brings it."""
        if self.source == "image":
            return ("rclone",)
        return ("rclone", *debian.GSTREAMER, *(debian.BROWSER if self.browser else ()))

    @property
    def room_configurations(self) -> dict[str, Any]:
        """The presets as livekit-server has them (room.room_configurations); files go where ``storage`` says."""
        return {name: {"egress": {"tracks": {"filepath": path}}} for name, path in self.presets.items()}

    def more_problems(self, path: str) -> Iterator[Problem]:
        for kind in BROWSER:
            if kind in self.records and self.profile == "sdk":
                fact = f"{kind} is recorded by a browser, and profile 'sdk' has none"
                yield Problem(f"{path}.records", fact, "take it off the list, or choose profile 'full'")
        if self.page and not self.browser:
            yield Problem(f"{path}.page", "is for a browser, and profile 'sdk' has none", "choose profile 'full'")
        for name, file in self.presets.items():
            if not any(each in file for each in ("{track_id}", "{publisher_identity}")):
                remedy = "put {publisher_identity} or {track_id} into it: each track is a file of its own"
                yield Problem(f"{path}.presets.{name}", f"is {file!r}, the same name for every track", remedy)
        if self.disk_mb < 1:
            yield Problem(f"{path}.disk_mb", f"is {self.disk_mb}", "say how much recordings may take at once")

    def own_config(self, slot: str) -> dict[str, Any]:
        """The part of its configuration that is decided here, in JSON's types, with the secrets."""
        limits = self.limits
        own: dict[str, Any] = {
            **self.credentials,
            "ws_url": self.ws_url,
            "redis": self.redis_config,
            "health_port": self.part("health", slot).first,
            "prometheus_port": self.part("metrics", slot).first,
            "template_port": self.part("template", slot).first,
            # below 0: there is no PulseAudio to look after; 0: upstream's own value
            "pulse_sink_reap_grace_sec": 0 if self.profile == "full" else -1,
            "logging": {"level": self.log_level, "json": True},
            "session_limits": {
                "file_output_max_duration": _go(limits.file_duration),
                "file_output_max_size": limits.file_mb << 20,
                "stream_output_max_duration": _go(limits.stream_duration),
                "segment_output_max_duration": _go(limits.segment_duration),
                "image_output_max_duration": _go(limits.image_duration),
            },
        }
        if self.page:
            own["template_base"] = self.page
        if self.debian:
            own["enable_chrome_sandbox"] = True
        if self.storage.kind:
            own["storage"] = self.storage.config(self.storage_secret.reveal() if self.storage_secret else "")
            if self.backup:
                own["backup"] = {"prefix": f"{self.state}/backup"}
        else:  # a name without a slash in front would otherwise be one below /
            own["storage"] = {"prefix": f"{self.state}/files"}
        return own


def _costs(said: Mapping[str, object], kind: str) -> Iterator[float]:
    for value in map(said.get, _COST_KEYS[kind]):
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
            yield float(value)


def _go(time: Duration) -> str:
    """As Go's time.ParseDuration reads it, which knows no days."""
    return f"{int(time)}s"
