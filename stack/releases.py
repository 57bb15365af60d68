"""What can be installed and how its bytes are recognised: releases.toml as frozen data.

Contract: :func:`find` gives exactly the component, version and source it was asked for, or raises; it never
puts another version or source in their place.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from stack.errors import Problem, Problems, SiteError
from stack.fields import nearest
from stack.versions import bad, numbers

ARCHES = ("amd64", "arm64")
SOURCES = ("archive", "module", "file")
_HERE = Path(__file__).parent
_SHA256 = re.compile(r"[0-9a-f]{64}")
# A version becomes the name of a directory on hosts, and configuration is gated by its three numbers.
_VERSION = re.compile(r"\d+\.\d+\.\d+(?:[-+.][0-9A-Za-z.+-]*)?")


@dataclass(frozen=True, slots=True)
class Pin:
    """The sha256 of an archive for one architecture; releases.toml explains ``confidence`` (A, B, C)."""

    arch: str
    sha256: str
    confidence: str


@dataclass(frozen=True, slots=True)
class Archive:
    """A tar archive of upstream: ``url`` has ``{arch}`` to fill in, ``member`` is the program inside."""

    url: str
    member: str
    pins: tuple[Pin, ...]

    @property
    def arches(self) -> tuple[str, ...]:
        return tuple(pin.arch for pin in self.pins)

    def pin(self, arch: str) -> Pin:
        """Raises KeyError for an architecture without a pin."""
        return {pin.arch: pin for pin in self.pins}[arch]


@dataclass(frozen=True, slots=True)
class Module:
    """A Go package to build; the go.mod and go.sum in ``directory`` pin everything it is made of."""

    package: str
    directory: Path
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class File:
    """A program the operator built: a path on the controller and the sha256 it must have."""

    file: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One version of a component from one source; ``path`` is the setting that asked (for messages)."""

    component: str
    version: str
    origin: Archive | Module | File
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
            siblings = _catalogue()[self.component]["archive"]
            others = [v for v, o in siblings.items() if isinstance(o, Archive) and arch in o.arches]
            _refuse(
                self.path,
                f"{self} has no known archive for {arch}, only for {' and '.join(self.origin.arches)}",
                f"choose a version that has one ({', '.join(others)}), or source 'file'",
            )


def find(component: str, version: str, source: str, *, path: str, file: str = "", sha256: str = "") -> Release:
    """The release a site asks for.

    ``path`` is where the version stands in the site ("livekit.release"); ``source``, ``file`` and ``sha256``
    stand beside it. Raises SiteError for whatever is not known or does not belong together.
    """
    known = _catalogue().get(component)
    if known is None:
        _refuse(path, f"component {component!r} is not known", nearest(component, _catalogue()))
    if source not in SOURCES:
        _refuse(_beside(path, "source"), f"is {source!r}", f"choose one of {', '.join(SOURCES)}")
    if found := bad(component, version):
        fact = f"{component} {version} is known to be bad: {found.reason} ({found.link})"
        good = (v for v in _good(component, source) if numbers(v) >= numbers(found.before))
        remedy = f"choose {next(good, found.before)} or newer" if found.before else f"choose one before {found.since}"
        own = f", or give a build in which it is mended a name of its own ({version}-mine)"
        _refuse(path, fact, remedy + (own if source == "file" else ""))
    if source == "file":
        _check_file(version, file, sha256, path)
        return Release(component=component, version=version, origin=File(file, sha256.lower()), path=path)
    for name in (name for name, value in (("file", file), ("sha256", sha256)) if value):
        _refuse(_beside(path, name), f"is set while source is {source!r}", "remove it, or set source to 'file'")
    versions = _good(component)
    if not any(version in origins for origins in known.values()):
        _refuse(
            path,
            f"{component} {version} is not known",
            f"the nearest known version is {_near(version, versions)} (all: {', '.join(versions)}), "
            "and a build of your own needs source 'file'"
            if versions
            else "build or obtain the program yourself and use source 'file'",
        )
    if version not in known.get(source, {}):
        has = " or ".join(s for s in SOURCES if version in known.get(s, {}) or s == "file")
        _refuse(_beside(path, "source"), f"{component} {version} is not known as {source}", f"choose {has}")
    return Release(component=component, version=version, origin=known[source][version], path=path)


def _check_file(version: str, file: str, sha256: str, path: str) -> None:
    problems = Problems()
    if not _VERSION.fullmatch(version):
        problems.add(path, f"is {version!r}", "write the version your build is made from, as 1.13.7 or 1.13.7-mine")
    if not file:
        problems.add(_beside(path, "file"), "is empty while source is 'file'", "set it to the path of the program")
    if not _SHA256.fullmatch(sha256.lower()):
        remedy = f"set it to what `sha256sum {file or 'FILE'}` prints"
        problems.add(_beside(path, "sha256"), f"is {sha256!r}, not 64 hexadecimal digits", remedy)
    problems.raise_if_any()


def _beside(path: str, name: str) -> str:
    return f"{path.rpartition('.')[0]}.{name}".lstrip(".")


def _refuse(path: str, fact: str, remedy: str) -> NoReturn:
    raise SiteError([Problem(path, fact, remedy)])


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


def _good(component: str, source: str = "") -> list[str]:
    """Versions to choose from, the oldest first: those known from ``source``, or from any when it offers none."""
    known = _catalogue()[component]
    offered = known.get(source) or [version for origins in known.values() for version in origins]
    return sorted({version for version in offered if not bad(component, version)}, key=_numbers)


def _near(version: str, versions: list[str]) -> str:
    """The newest not above ``version``; the oldest when all are above, the newest when that is no number."""
    wanted = _numbers(version)
    below = [v for v in versions if not wanted or _numbers(v) <= wanted]
    return (below or versions[:1])[-1]


@cache
def _catalogue() -> Mapping[str, Mapping[str, Mapping[str, Archive | Module]]]:
    """component -> source -> version -> origin."""
    table = tomllib.loads((_HERE / "releases.toml").read_text())
    return {
        component: {kind: _READ[kind](component, t) for kind, t in kinds.items()} for component, kinds in table.items()
    }


def _archives(_: str, table: Mapping[str, Any]) -> dict[str, Archive | Module]:
    return {
        version: Archive(
            url=table["url"].replace("{version}", version),
            member=table["member"],
            pins=tuple(Pin(arch=arch, **pin) for arch, pin in pins.items()),
        )
        for version, pins in table["versions"].items()
    }


def _modules(component: str, table: Mapping[str, Any]) -> dict[str, Archive | Module]:
    return {
        version: Module(
            package=table["package"],
            directory=_HERE / "modules" / f"{component}-{version}",
            flags=tuple(table["flags"]),
        )
        for version in table["versions"]
    }


_READ = {"archive": _archives, "module": _modules}
