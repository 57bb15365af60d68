"""A real registry (docker-registry, from Debian) on loopback, and images made for it, for tests of source 'image'."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import socket
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livekit_metal.releases.catalogue import Image, Release

PATIENCE = 30  # seconds no test needs
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"


def entry(name: str, content: bytes = b"", *, kind: bytes = tarfile.REGTYPE, **values: Any) -> tuple[Any, bytes]:
    """A member of a layer; ``values`` are attributes of its TarInfo."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mode = kind, len(content), 0o755 if kind == tarfile.DIRTYPE else 0o644
    for attribute, value in values.items():
        setattr(info, attribute, value)
    return info, content


def layer(*entries: tuple[Any, bytes]) -> bytes:
    """A tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


@dataclass(frozen=True)
class Registry:
    """Where it listens, and where it keeps what it has."""

    port: int
    storage: Path

    def reference(self, name: str = "media/tool") -> str:
        return f"127.0.0.1:{self.port}/{name}"

    def release(self, sha256: str, name: str = "media/tool") -> Release:
        origin = Image(self.reference(name), sha256)
        return Release(component="tool", version="1.0.0", origin=origin, path="tool.release")

    def blob(self, content: bytes, name: str = "media/tool") -> dict[str, Any]:
        """Upload; the descriptor of it, but for its type."""
        where = f"http://127.0.0.1:{self.port}/v2/{name}/blobs/uploads/"
        with urllib.request.urlopen(urllib.request.Request(where, method="POST")) as answer:
            place = answer.headers["Location"]
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        _put(f"{place}&digest={digest}", content, "application/octet-stream")
        return {"digest": digest, "size": len(content)}

    def manifest(self, value: dict[str, Any], name: str = "media/tool") -> dict[str, Any]:
        """Upload a manifest or an index under its digest; the descriptor of it."""
        content = json.dumps(value).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        _put(f"http://127.0.0.1:{self.port}/v2/{name}/manifests/{digest}", content, value["mediaType"])
        return {"mediaType": value["mediaType"], "digest": digest, "size": len(content)}

    def image(self, layers: Iterable[bytes], arch: str = "amd64", media: str = LAYER) -> dict[str, Any]:
        """Upload an image of ``layers`` (tar archives, the lowest first); the descriptor of its manifest."""
        tars = list(layers)
        diffs = [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in tars]
        config = {"architecture": arch, "os": "linux", "rootfs": {"type": "layers", "diff_ids": diffs}}
        return self.manifest(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG} | self.blob(json.dumps(config).encode()),
                "layers": [{"mediaType": media} | self.blob(gzip.compress(tar, mtime=0)) for tar in tars],
            }
        )

    def index(self, **images: dict[str, Any]) -> dict[str, Any]:
        """Upload an index of images by architecture, with an attestation as builders add it."""
        manifests = [i | {"platform": {"os": "linux", "architecture": arch}} for arch, i in images.items()]
        attestation = next(iter(images.values())) | {"platform": {"os": "unknown", "architecture": "unknown"}}
        return self.manifest({"schemaVersion": 2, "mediaType": INDEX, "manifests": [attestation, *manifests]})

    def stored(self, digest: str) -> Path:
        """The file in which the registry keeps a blob."""
        hex_ = digest.removeprefix("sha256:")
        return self.storage / "docker/registry/v2/blobs/sha256" / hex_[:2] / hex_ / "data"


def sha256(descriptor: dict[str, Any]) -> str:
    digest: str = descriptor["digest"]
    return digest.removeprefix("sha256:")


def _put(url: str, content: bytes, kind: str) -> None:
    request = urllib.request.Request(url, content, {"Content-Type": kind}, method="PUT")
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201


@contextmanager
def serving(directory: Path) -> Iterator[Registry]:
    """A registry that keeps everything in ``directory``; ended by its process id."""
    program = shutil.which("docker-registry")
    assert program, "install docker-registry, skopeo and umoci: python -m tests.tools"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    storage = directory / "storage"
    settings = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(storage)}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    config, log = directory / "config.yml", directory / "log"
    config.write_text(json.dumps(settings))
    with log.open("wb") as out, subprocess.Popen([program, "serve", config], stdout=out, stderr=out) as process:
        try:
            end = time.monotonic() + PATIENCE
            while not _answers(port):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.02)
            yield Registry(port, storage)
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
