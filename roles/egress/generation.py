"""The files of a generation of egress: the configuration of every slot, each slot's drop-in, what tidies up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from livekit_metal.roles.egress.settings import PROGRAM, USER, Settings
from livekit_metal.runtime.artifacts.push import TREE
from livekit_metal.runtime.host.files import File, text
from livekit_metal.runtime.host.output_filter import Output
from livekit_metal.runtime.slots import generation
from livekit_metal.runtime.slots.generation import Generation


@dataclass(frozen=True, slots=True)
class _View:
    """What the templates see: one slot of one generation."""

    settings: Settings
    generation: str
    directory: str
    slot: str
    release: str

    @property
    def release_name(self) -> str:
        return self.release.rsplit("/", 1)[-1]

    @property
    def tree(self) -> str:
        """The root directory that an image was unpacked to; '' for a program of the host."""
        return f"{self.release}/{TREE}" if self.settings.source == "image" else ""

    @property
    def program(self) -> str:
        """Where it is for the process itself."""
        return "/bin/egress" if self.tree else f"{self.release}/{PROGRAM}"

    @property
    def path(self) -> str:
        """PATH: it starts itself again for every recording, by its name; with it the browser (/chrome on arm64)."""
        return "/usr/local/bin:/usr/bin:/bin:/chrome" if self.tree else f"{self.release}:/usr/bin:/bin"

    @property
    def config_file(self) -> str:
        return f"{self.directory}/{self.slot}.yaml"


def root(settings: Settings) -> str:
    """Where the generations of a host are."""
    return f"{settings.config_root}/egress"


def make(settings: Settings, release: str) -> tuple[Generation, tuple[File, ...]]:
    """The generation that ``settings`` with the program in the directory ``release`` amounts to, and its files."""
    return generation.make(root(settings), release, partial(_files, settings, release))


def _files(settings: Settings, release: str, name: str, directory: str) -> tuple[File, ...]:
    views = [_View(settings, name, directory, slot, release) for slot in settings.slots]
    files = [
        File(f"{directory}/ports", text("egress/ports.j2", egress=settings)),
        File(f"{directory}/tidy.sh", text("egress/tidy.sh.j2", egress=settings)),
        File(f"{directory}/end.sh", text("egress/end.sh.j2", egress=settings)),
        Output(user=USER, redis=settings.redis.address, closed=not settings.storage.by_profile).file(directory),
    ]
    for view in views:
        # egress takes passwords and keys only in here
        config = text("egress/egress.yaml.j2", egress=view)
        files.append(File(view.config_file, config, "640", group=USER, secret=True))
        files.append(File(f"{directory}/slot-{view.slot}.conf", text("egress/slot.conf.j2", egress=view)))
    return tuple(files)
