"""A verified program, or a tree of files, on the controller, ready to be pushed.

Contract: an :class:`Artifact` names bytes that were compared with a pin (archive, image, file) or with the site's
lock (module) before they entered the store. Whatever goes wrong is a SiteError, and nothing half-made stays
behind. Nothing here needs pyinfra or a host; a second fetch costs a look at one file.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.releases.catalogue import Archive, File, Image, Module, Release
from livekit_metal.runtime.artifacts import (
    archive as artifact_archive,
)
from livekit_metal.runtime.artifacts import (
    image as artifact_image,
)
from livekit_metal.runtime.artifacts import (
    lockfile,
)
from livekit_metal.runtime.artifacts import (
    module as artifact_module,
)
from livekit_metal.runtime.artifacts.store import Made, Progress, Store, sha256_of, store


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One program for one architecture. ``sha256`` and ``size`` (bytes) are of the program at ``path``.

    Of an image ``path`` is a tar archive of its whole tree instead (:attr:`is_tree`), and so are sum and size.
    ``identity`` says what decides the bytes: the pin, or the module's sums, toolchain, target and flags.
    """

    component: str
    version: str
    source: str
    arch: str
    sha256: str
    path: Path
    size: int
    identity: str

    @property
    def is_tree(self) -> bool:
        return self.source == "image"


def fetch(
    release: Release,
    arch: str,
    *,
    lock: Path | None = None,
    cache: Path | None = None,
    progress: Progress = lambda text: None,
) -> Artifact:
    """The program of ``release`` for hosts of ``arch`` (amd64, arm64).

    ``lock`` is the site's record of programs (a file's sum stands in the site itself); without it the store's own
    memory decides. ``cache`` stands in for the default store; ``progress`` gets a line about once a second while
    something is under way. Raises SiteError.
    """
    release.check(arch)
    place = store(cache)
    try:
        place.close()
        return _Fetch(release, arch, place, lock if release.source != "file" else None, progress).run()
    except OSError as error:
        remedy = f"check space and permissions of {place.root}"
        raise SiteError([Problem(release.path, f"{release} cannot be fetched: {error}", remedy)]) from error


def verify(artifact: Artifact) -> None:
    """Hash the program again, as before a push. When it is not what it was: remove it, raise SiteError."""
    try:
        got = sha256_of(artifact.path)
    except FileNotFoundError:
        raise SiteError([Problem(str(artifact.path), "is gone", "run the deploy again, it is fetched again")]) from None
    if got != artifact.sha256:
        artifact.path.unlink()
        fact = f"had sha256 {got} instead of {artifact.sha256} and was removed"
        raise SiteError([Problem(str(artifact.path), fact, "run the deploy again, it is fetched again")])


@dataclass(frozen=True, slots=True)
class _Fetch:
    release: Release
    arch: str
    store: Store
    lock: Path | None
    progress: Progress

    def run(self) -> Artifact:
        key = self._key()
        made = self._known(key)
        if made is None:
            waiting = "another fetch of it is under way, waiting"
            with self.store.exclusive(key, busy=lambda: self._say(waiting)) as held:
                made = self._known(key)  # that other fetch may have brought it
                if made is None:
                    made = self._make(key, held)
                    self._say(f"ready, {made.size / 1e6:.0f} MB")
        return Artifact(
            component=self.release.component,
            version=self.release.version,
            source=self.release.source,
            arch=self.arch,
            sha256=made.sha256,
            path=self.store.program(made.sha256),
            size=made.size,
            identity=f"{key} {made.toolchain}".rstrip(),
        )

    def _key(self) -> str:
        match self.release.origin:
            case Archive() as archive:
                pin = archive.pin(self.arch)
                return f"{self.release} archive linux/{self.arch} sha256={pin.sha256} {archive.member}"
            case File(sha256=sha256):
                return f"{self.release} file linux/{self.arch} sha256={sha256}"
            case Module() as module:
                return artifact_module.identity(self.release, module, self.arch)
            case Image() as image:
                return f"{self.release} image linux/{self.arch} sha256={image.sha256}"

    def _known(self, key: str) -> Made | None:
        """The program when it is here already; then the lock names it too, where there is one."""
        entry = self._entry(key)
        made = entry or self.store.last(key)
        if made is None or not self.store.holds(made):
            return None
        if isinstance(self.release.origin, File) and made.sha256 != self.release.origin.sha256:
            return None  # whatever the store remembers: the site names the very bytes
        if self.lock and not entry:
            if sha256_of(self.store.program(made.sha256)) != made.sha256:
                return None  # nothing enters the lock that was not looked at in this run
            lockfile.record(self.lock, key, made, self.store)
        return made

    def _entry(self, key: str) -> Made | None:
        return lockfile.recorded(self.lock, key) if self.lock else None

    def _make(self, key: str, held: int) -> Made:
        release, where = self.release, self.store
        with where.work(key) as work:
            match release.origin:
                case Archive() as archive:
                    pin = archive.pin(self.arch)
                    program = artifact_archive.unpacked(release, archive, pin, store=where, work=work, say=self._say)
                    made = where.put(program)
                case File() as file:
                    made = where.put(self._copied(file, work))
                case Module() as module:
                    made = self._built(key, module, work, held)
                case Image() as image:
                    made = where.put(
                        artifact_image.tree(release, image, self.arch, work=work, held=held, say=self._say)
                    )
        where.remember(key, made)
        if self.lock and self._entry(key) != made and not isinstance(release.origin, Module):
            lockfile.record(self.lock, key, made, where)  # it has just been compared with its pin
        return made

    def _copied(self, file: File, work: Path) -> Path:
        program = work / "program"
        source = Path(file.file).expanduser()
        try:
            shutil.copyfile(source, program)
        except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
            fact = f"{source} cannot be read ({error.strerror})"
            raise self._problem("file", fact, "set it to the path of the program on this machine") from None
        if (got := sha256_of(program)) != file.sha256:
            fact = f"{source} has sha256 {got}, expected {file.sha256}"
            raise self._problem("sha256", fact, "set it to the new value if that is the build you mean")
        return program

    def _built(self, key: str, module: Module, work: Path, held: int) -> Made:
        go = artifact_module.toolchain(self.release, module)
        entry = self._entry(key)
        if entry and entry.toolchain != go.version:
            old = entry.toolchain.removeprefix("go")
            fact = f"{self.lock} says {self.release} was built with Go {old}, and {go.program} is {go.version}"
            remedy = f"install Go {old}, or remove the entry from {self.lock} to build it again"
            raise self._problem("release", fact, remedy)
        build = artifact_module.built(self.release, module, self.arch, go=go, work=work, held=held, say=self._say)
        if entry and (got := sha256_of(build.program)) != entry.sha256:
            fact = f"this build of {self.release} has sha256 {got}, {self.lock} records {entry.sha256}"
            if entry.packages != build.packages:
                fact += f", made with {_other(entry.packages, build.packages)}"
                remedy = f"copy it from the machine that built it (below {self.store.root}), or "
            else:
                remedy = "`go clean -cache -modcache` and try again; "
            raise self._problem("release", fact, remedy + "remove the entry only if you trust the new build")
        made = self.store.put(build.program, go.version, build.packages)
        if self.lock and not entry:
            lockfile.record(self.lock, key, made, self.store)
        return made

    def _say(self, text: str) -> None:
        self.progress(f"{self.release} {self.arch}: {text}")

    def _problem(self, setting: str, fact: str, remedy: str) -> SiteError:
        return SiteError([Problem(self.release.beside(setting), fact, remedy)])


def _other(recorded: str, used: str) -> str:
    """What of the packages that were recorded is not what was used."""
    return ", ".join(sorted(set(recorded.split()) - set(used.split()))) or "other packages"
