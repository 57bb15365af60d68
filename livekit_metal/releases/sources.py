"""Where the bytes of a release come from, and the table of what is known: releases.toml as frozen data."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent


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
class Cgo:
    """What a program with C in it is compiled with: a Debian release, its compiler, the packages with the headers."""

    debian: str
    compiler: str
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Module:
    """A Go package to build; the go.mod and go.sum in ``directory`` pin everything it is made of, but for C."""

    package: str
    directory: Path
    flags: tuple[str, ...]
    cgo: Cgo | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a registry ("docker.io/livekit/egress"), unpacked into a tree.

    ``sha256`` is the digest of an index (several architectures) or of one image; which of them shows when it is read.
    ``confidence`` is that of a :class:`Pin`, empty for an image that a site names itself.
    """

    reference: str
    sha256: str
    confidence: str = ""

    @property
    def pinned(self) -> str:
        return f"{self.reference}@sha256:{self.sha256}"


@dataclass(frozen=True, slots=True)
class File:
    """A program the operator built: a path on the controller and the sha256 it must have."""

    file: str
    sha256: str


Source = Archive | Module | Image  # what releases.toml can hold; a File is named by the site
Origin = Source | File


@cache
def catalogue() -> Mapping[str, Mapping[str, Mapping[str, Source]]]:
    """component -> source -> version -> origin. A component may be known and have nothing to offer but ``file``."""
    table = tomllib.loads((_HERE / "releases.toml").read_text())
    return {
        component: {kind: _READ[kind](component, t) for kind, t in kinds.items()} for component, kinds in table.items()
    }


def _archives(_: str, table: Mapping[str, Any]) -> dict[str, Source]:
    return {
        version: Archive(
            url=table["url"].replace("{version}", version),
            member=table["member"],
            pins=tuple(Pin(arch=arch, **pin) for arch, pin in pins.items()),
        )
        for version, pins in table["versions"].items()
    }


def _modules(component: str, table: Mapping[str, Any]) -> dict[str, Source]:
    cgo = table.get("cgo")
    return {
        version: Module(
            package=table["package"],
            directory=_HERE / "modules" / f"{component}-{version}",
            flags=tuple(table["flags"]),
            cgo=cgo and Cgo(cgo["debian"], cgo["compiler"], tuple(cgo["packages"])),
        )
        for version in table["versions"]
    }


def _images(_: str, table: Mapping[str, Any]) -> dict[str, Source]:
    return {version: Image(table["reference"], **pin) for version, pin in table["versions"].items()}


_READ = {"archive": _archives, "module": _modules, "image": _images}
