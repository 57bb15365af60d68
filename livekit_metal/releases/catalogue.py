"""What can be installed and how its bytes are recognised.

Contract: :func:`find` gives exactly the component, version and source it was asked for, or raises; it never
puts another version or source in their place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NoReturn

from livekit_metal.core.errors import Problem, Problems, SiteError
from livekit_metal.core.fields import nearest
from livekit_metal.releases.compatibility import bad, numbers
from livekit_metal.releases.sources import Archive, Cgo, File, Image, Module, Origin, Pin, Source, catalogue

__all__ = ["ARCHES", "SOURCES", "Archive", "Cgo", "File", "Image", "Module", "Pin", "Release", "find"]

ARCHES = ("amd64", "arm64")
SOURCES = ("archive", "module", "image", "file")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# A version becomes the name of a directory on hosts, and configuration is gated by its three numbers.
_VERSION = re.compile(r"\d+\.\d+\.\d+(?:[-+.][0-9A-Za-z.+-]*)?", re.ASCII)
# "registry.example.org:5000/media/egress": a registry with a dot or a port (or localhost), then a path; no tag.
_REFERENCE = re.compile(
    r"(?:localhost|\[[0-9a-f:]+\]|[\w-]+(?:\.[\w-]+)+|[\w-]+(?=:))(?::\d+)?(?:/[a-z0-9][a-z0-9._-]*)+",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One version of a component from one source; ``path`` is the setting that asked (for messages)."""

    component: str
    version: str
    origin: Origin
    path: str

    @property
    def source(self) -> str:
        return type(self.origin).__name__.lower()

    def __str__(self) -> str:
        return f"{self.component} {self.version}"

    def beside(self, name: str) -> str:
        """The path of a setting that stands beside ``path``."""
        return _beside(self.path, name)

    def check(self, arch: str) -> None:
        """Raise SiteError when there is nothing for this architecture (named as Go does: amd64, arm64)."""
        if arch not in ARCHES:
            _refuse(self.path, f"{self} is not known for {arch}", f"use hosts of {' or '.join(ARCHES)}")
        if isinstance(self.origin, Archive) and arch not in self.origin.arches:
            siblings = catalogue()[self.component]["archive"]
            others = [v for v, o in siblings.items() if isinstance(o, Archive) and arch in o.arches]
            _refuse(
                self.path,
                f"{self} has no known archive for {arch}, only for {' and '.join(self.origin.arches)}",
                f"choose a version that has one ({', '.join(others)}), or source 'file'",
            )


def find(
    component: str, version: str, source: str, *, path: str, file: str = "", sha256: str = "", image: str = ""
) -> Release:
    """The release a site asks for.

    ``path`` is where the version stands in the site ("livekit.release"); ``source``, ``file``, ``sha256`` and ``image``
    stand beside it. ``image`` is for source 'image': where a registry of one's own keeps it; with ``sha256``, the
    digest, it may be an image of one's own too. Raises SiteError for whatever is not known or does not belong together.
    """
    known = catalogue().get(component)
    if known is None:
        _refuse(path, f"component {component!r} is not known", nearest(component, catalogue()))
    if source not in SOURCES:
        _refuse(_beside(path, "source"), f"is {source!r}", f"choose one of {', '.join(SOURCES)}")
    sha256 = sha256.lower().removeprefix("sha256:") if source == "image" else sha256.lower()
    own = source == "file" or bool(source == "image" and image and sha256)
    _check_good(component, version, source, path, own=own)
    _check_given(source, path, {"file": file, "sha256": sha256, "image": image})
    if own:
        _check_own(version, path, sha256, file=file, image=image)
        origin: Origin = Image(image, sha256) if image else File(file, sha256)
        return Release(component=component, version=version, origin=origin, path=path)
    found = _known(component, version, source, path, known)
    if isinstance(found, Image) and image:
        _check_own(version, path, found.sha256, image=image)
        found = replace(found, reference=image)
    return Release(component=component, version=version, origin=found, path=path)


def _check_good(component: str, version: str, source: str, path: str, *, own: bool) -> None:
    if not (found := bad(component, version)):
        return
    fact = f"{component} {version} is known to be bad: {found.reason} ({found.link})"
    good = (v for v in _good(component, source) if numbers(v) >= numbers(found.before))
    remedy = f"choose {next(good, found.before)} or newer" if found.before else f"choose one before {found.since}"
    mended = f", or give a build in which it is mended a name of its own ({version}-mine)"
    _refuse(path, fact, remedy + (mended if own else ""))


def _check_given(source: str, path: str, given: Mapping[str, str]) -> None:
    """Refuse settings that this source would ignore."""
    if source == "image" and given["sha256"] and not given["image"]:
        _refuse(_beside(path, "sha256"), "is set without an image", "name the image that it is the digest of")
    uses = {"file": ("file", "sha256"), "image": ("image", "sha256")}.get(source, ())
    for name in (name for name, value in given.items() if value and name not in uses):
        right = "'image'" if name == "image" else "'file'"
        _refuse(_beside(path, name), f"is set while source is {source!r}", f"remove it, or set source to {right}")


def _known(component: str, version: str, source: str, path: str, known: Mapping[str, Mapping[str, Source]]) -> Source:
    versions = _good(component)
    if not any(version in origins for origins in known.values()):
        _refuse(
            path,
            f"{component} {version} is not known",
            f"the nearest known version is {_near(version, versions)} (all: {', '.join(versions)}), "
            "and a build of your own needs source 'file'",
        )
    if version not in known.get(source, {}):
        has = " or ".join(s for s in SOURCES if version in known.get(s, {}) or s == "file")
        _refuse(_beside(path, "source"), f"{component} {version} is not known as {source}", f"choose {has}")
    return known[source][version]


def _check_own(version: str, path: str, sha256: str, *, file: str = "", image: str = "") -> None:
    problems = Problems()
    if not _VERSION.fullmatch(version):
        problems.add(path, f"is {version!r}", "write the version your build is made from, as 1.13.7 or 1.13.7-mine")
    if image and not _REFERENCE.fullmatch(image):
        remedy = "write registry and name without a tag, as registry.example.org/media/egress"
        problems.add(_beside(path, "image"), f"is {image!r}", remedy)
    if not image and not file:
        problems.add(_beside(path, "file"), "is empty while source is 'file'", "set it to the path of the program")
    if not _SHA256.fullmatch(sha256):
        by = "the digest of the image, after `sha256:`" if image else f"what `sha256sum {file or 'FILE'}` prints"
        problems.add(_beside(path, "sha256"), f"is {sha256!r}, not 64 hexadecimal digits", f"set it to {by}")
    problems.raise_if_any()


def _beside(path: str, name: str) -> str:
    return f"{path.rpartition('.')[0]}.{name}".lstrip(".")


def _refuse(path: str, fact: str, remedy: str) -> NoReturn:
    raise SiteError([Problem(path, fact, remedy)])


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


def _good(component: str, source: str = "") -> list[str]:
    """Versions to choose from, the oldest first: those known from ``source``, or from any when it offers none."""
    known = catalogue()[component]
    offered = known.get(source) or [version for origins in known.values() for version in origins]
    return sorted({version for version in offered if not bad(component, version)}, key=_numbers)


def _near(version: str, versions: list[str]) -> str:
    """The newest not above ``version``; the oldest when all are above, the newest when that is not a number."""
    wanted = _numbers(version)
    below = [v for v in versions if not wanted or _numbers(v) <= wanted]
    return (below or versions[:1])[-1]
