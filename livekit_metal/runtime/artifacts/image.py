"""A file tree out of an image in a registry: copied by skopeo, compared here, merged into one archive.

skopeo knows registries, proxies and credentials (`skopeo login`). What it brings is not believed: manifest, config and
layers are hashed here, each against the one before, the first against the pin. No container engine is involved.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.releases.catalogue import Image, Release
from livekit_metal.runtime.artifacts import layers as artifact_layers
from livekit_metal.runtime.artifacts.progress import heartbeat
from livekit_metal.runtime.artifacts.store import Progress, sha256_of

_GZIP = ("application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.docker.image.rootfs.diff.tar.gzip")
_PLAIN = ("application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar")
_ROOM = 7  # times the compressed size: the layers, the same unpacked (about three times as much), the merged archive
_TRUST = "nothing was installed; try again, and if it stays so do not trust that registry"
# What skopeo says -> what helps
_REMEDIES = (
    ("unauthorized|authentication required|denied", "`skopeo login {registry}` on this machine, or correct the image"),
    ("manifest unknown|name unknown|not found", "compare digest and name with what the registry shows"),
    ("(does|did) not match", _TRUST),
    ("no space left", "make room on the file system of {work}"),
    (
        "policy.json",
        "`apt install golang-github-containers-common`, or write the policy that you want skopeo to follow",
    ),
    ("", "check the network and the name, or set `image` to a registry that this machine can reach"),
)


def tree(release: Release, image: Image, arch: str, *, work: Path, held: int, say: Progress) -> Path:
    """The tree as a tar archive, a file in ``work``. Raises SiteError; writes nowhere else."""
    return _Copy(release, image, arch, work, held, say).run()


@dataclass(frozen=True, slots=True)
class _Copy:
    release: Release
    image: Image
    arch: str
    work: Path
    held: int
    say: Progress

    def run(self) -> Path:
        if not shutil.which("skopeo"):
            fact = f"{self.release} is copied from a registry by skopeo, which is not here"
            raise self._problem(fact, "`apt install skopeo`, or take another source")
        manifest, digest = self._manifest()
        layers = manifest["layers"]
        size = sum(layer["size"] for layer in layers)
        free = shutil.disk_usage(self.work).free
        if free < _ROOM * size:
            fact = f"{self.release} needs up to {_ROOM * size >> 20} MB while it is unpacked, {free >> 20} MB are free"
            raise self._problem(fact, f"make room on the file system of {self.work.parents[1]}")
        self._copy(digest, size)
        self._platform(manifest["config"]["digest"])
        self.say("unpacking")
        return self._merged(layers)

    def _manifest(self) -> tuple[dict[str, Any], str]:
        """The manifest for the architecture, and its digest."""
        first = self._read(self.image.sha256)
        if "manifests" not in first:
            return self._checked(first), self.image.sha256
        found = {_platform(each): each["digest"] for each in first["manifests"]}
        if digest := found.get(f"linux/{self.arch}"):
            hex_ = digest.removeprefix("sha256:")
            return self._checked(self._read(hex_)), hex_
        has = ", ".join(sorted(name for name in found if "unknown" not in name)) or "nothing"
        remedy = f"use hosts of these, or source 'file' for {self.arch}"
        raise self._problem(f"{self.image.pinned} is not for linux/{self.arch}, only for {has}", remedy)

    def _read(self, sha256: str) -> dict[str, Any]:
        raw = self._skopeo("inspect", "--raw", *self._plain("--tls-verify=false"), self._address(sha256))
        if (got := hashlib.sha256(raw).hexdigest()) != sha256:
            raise self._changed(f"manifest has the digest sha256:{got}, expected sha256:{sha256}")
        found = json.loads(raw)
        if not isinstance(found, dict):
            raise self._changed("manifest is not a mapping")
        return found

    def _checked(self, manifest: dict[str, Any]) -> dict[str, Any]:
        if strange := {e["mediaType"] for e in manifest.get("layers", [{"mediaType": "none"}])} - {*_GZIP, *_PLAIN}:
            fact = f"{self.image.pinned} has layers that are not read here ({', '.join(sorted(strange))})"
            raise self._problem(fact, "copy it to a registry of yours: skopeo copy --dest-compress-format gzip")
        return manifest

    def _copy(self, digest: str, size: int) -> None:
        plain = self._plain("--src-tls-verify=false")
        self._skopeo("copy", "--quiet", *plain, self._address(digest), f"dir:{self.work}/copy", size=size)

    def _platform(self, digest: str) -> None:
        """Compare what the image says it is for with what is wanted (one without an index comes unasked)."""
        config = json.loads(self._blob(digest).read_bytes())
        if (found := _platform({"platform": config})) != f"linux/{self.arch}":
            fact = f"{self.image.pinned} is not for linux/{self.arch}, only for {found}"
            raise self._problem(fact, f"use hosts of this, or source 'file' for {self.arch}")

    def _merged(self, layers: Sequence[dict[str, Any]]) -> Path:
        plain, merged = [], self.work / "tree.tar"
        try:
            for number, layer in enumerate(layers):
                blob = self._blob(layer["digest"])
                plain.append(artifact_layers.decompressed(blob, self.work / f"layer{number}.tar"))
            left = artifact_layers.merge(plain, merged)
        except artifact_layers.Damaged as error:
            raise self._changed(f"layers make no tree: {error}") from error
        if left:
            self.say(f"{left} device files are left out")
        return merged

    def _blob(self, digest: str) -> Path:
        blob = self.work / "copy" / digest.removeprefix("sha256:")
        if (got := sha256_of(blob)) != blob.name:
            raise self._changed(f"part sha256:{blob.name} has the digest sha256:{got}")
        return blob

    def _skopeo(self, *arguments: str, size: int = 0) -> bytes:
        """What it prints; with ``size`` (bytes) the growth of the copy is told."""
        with (self.work / "stderr").open("w+") as stderr, (self.work / "stdout").open("w+b") as stdout:
            with (
                subprocess.Popen(
                    ["skopeo", *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    pass_fds=(self.held,),
                ) as process,
                heartbeat(self.say, lambda: self._copied(size) if size else ""),
            ):
                try:
                    process.wait()
                except BaseException:  # Ctrl-C, or pyinfra ending this greenlet
                    process.kill()
                    raise
            stdout.seek(0)
            stderr.seek(0)
            if process.returncode:
                raise self._refused(stderr.read())
            return stdout.read()

    def _copied(self, size: int) -> str:
        done = 0
        for part in (self.work / "copy").glob("*"):
            with suppress(FileNotFoundError):  # it has just got its name
                done += part.stat().st_size
        return f"{done / 1e6:.0f} of {size / 1e6:.0f} MB"

    def _refused(self, stderr: str) -> SiteError:
        said = [json.loads(f'"{text}"') for text in re.findall(r'msg="((?:[^"\\]|\\.)*)"', stderr)] or [stderr.strip()]
        why = " | ".join(said)
        registry = self.image.reference.split("/")[0]
        remedy = next(text for pattern, text in _REMEDIES if re.search(pattern, why, re.IGNORECASE))
        fact = f"{self.image.pinned} cannot be copied: {why}"
        return self._problem(fact, remedy.format(registry=registry, work=self.work.parents[1]))

    def _address(self, sha256: str) -> str:
        return f"docker://{self.image.reference}@sha256:{sha256}"

    def _plain(self, option: str) -> tuple[str, ...]:
        """HTTP without TLS: for a registry on this machine only."""
        host = re.sub(r":\d+$", "", self.image.reference.split("/")[0]).strip("[]")
        try:
            loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
        except ValueError:
            loopback = False
        return (option,) if loopback else ()

    def _changed(self, fact: str) -> SiteError:
        return self._problem(f"{self.image.pinned}: its {fact}", _TRUST)

    def _problem(self, fact: str, remedy: str) -> SiteError:
        return SiteError([Problem(self.release.path, fact, remedy)])


def _platform(entry: dict[str, Any]) -> str:
    platform = entry.get("platform", {})
    return f"{platform.get('os', 'unknown')}/{platform.get('architecture', 'unknown')}"
