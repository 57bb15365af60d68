"""Images that are refused: the exact message, and nothing half-made."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.releases.catalogue import Image, Release
from livekit_metal.runtime.artifacts.fetch import fetch
from tests.support.artifacts.registry import Registry, entry, layer, sha256
from tests.support.artifacts.upstream import left, programs

TRUST = "nothing was installed; try again, and if it stays so do not trust that registry"
ROOT = Path(__file__).parents[2]
CHILD = """
import sys
from pathlib import Path
from livekit_metal.runtime.artifacts.fetch import fetch
from livekit_metal.releases.catalogue import Image, Release
release = Release(component="tool", version="1.0.0", origin=Image(*sys.argv[1:3]), path="tool.release")
fetch(release, "amd64", cache=Path(sys.argv[3]))
"""


def refusal(release: Release, cache: Path, arch: str = "amd64") -> str:
    with pytest.raises(SiteError) as error:
        fetch(release, arch, cache=cache)
    assert left(cache) == programs(cache) == []
    assert not list((cache / "made").glob("*"))
    return str(error.value)


def test_a_digest_that_the_registry_does_not_have(registry: Registry, cache: Path) -> None:
    registry.image([layer(entry("some", b"thing"))])
    text = refusal(registry.release("ab" * 32), cache)
    assert text.startswith(f"tool.release: {registry.reference()}@sha256:{'ab' * 32} cannot be copied: ")
    assert "manifest unknown" in text
    assert text.endswith("; compare digest and name with what the registry shows")


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ("index", "500 Internal Server Error"),  # the registry reads it and finds it damaged
        ("manifest", "its manifest has the digest sha256:"),
        ("config", "does not match"),
        ("layer", "did not match"),
    ],
)
def test_a_part_that_was_changed_in_the_registry(registry: Registry, cache: Path, part: str, why: str) -> None:
    image = registry.image([layer(entry("whose", part.encode() * 100))])
    index = registry.index(amd64=image)
    manifest = json.loads(registry.stored(image["digest"]).read_bytes())
    parts = {"index": index, "manifest": image, "config": manifest["config"], "layer": manifest["layers"][0]}
    stored = registry.stored(parts[part]["digest"])
    content = bytearray(stored.read_bytes())
    content[len(content) // 2] ^= 1
    stored.write_bytes(content)
    text = refusal(registry.release(sha256(index)), cache)
    assert text.startswith(f"tool.release: {registry.reference()}@{index['digest']}")
    assert why in text
    assert part == "index" or text.endswith(TRUST)


def test_what_skopeo_lets_pass_is_noticed_here(
    registry: Registry, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = registry.image([layer(entry("whose", b"another"))])
    skopeo = tmp_path / "skopeo"
    skopeo.write_text("#!/bin/sh\necho '{}'\n")
    skopeo.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    got = "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356"  # echo '{}' | sha256sum
    assert refusal(registry.release(sha256(image)), cache) == (
        f"tool.release: {registry.reference()}@{image['digest']}: its manifest has the digest sha256:{got}, "
        f"expected {image['digest']}; {TRUST}"
    )


def test_an_architecture_that_is_not_there(registry: Registry, cache: Path) -> None:
    image = registry.image([layer(entry("bin/tool", b"amd64 only"))])
    index = registry.index(amd64=image)
    for descriptor in (index, image):
        assert (
            f"{registry.reference()}@{descriptor['digest']} is not for linux/arm64, only for linux/amd64; use hosts of"
        ) in refusal(registry.release(sha256(descriptor)), cache, "arm64")


def test_layers_that_make_no_tree(registry: Registry, cache: Path) -> None:
    for content, why in (
        (layer(entry("../../etc/passwd", b"root")), "a file is called '../../etc/passwd'"),
        (layer(entry("a", kind=b"1", linkname="b")), "a is a hard link to b, which is not a file"),
        (b"no tar archive at all" * 100, "invalid header"),
    ):
        image = registry.image([content])
        assert refusal(registry.release(sha256(image)), cache) == (
            f"tool.release: {registry.reference()}@{image['digest']}: its layers make no tree: {why}; {TRUST}"
        )


def test_a_compression_that_is_not_read_here(registry: Registry, cache: Path) -> None:
    image = registry.image([layer(entry("a", b"zstd"))], media="application/vnd.oci.image.layer.v1.tar+zstd")
    assert refusal(registry.release(sha256(image)), cache).endswith(
        "has layers that are not read here (application/vnd.oci.image.layer.v1.tar+zstd); "
        "copy it to a registry of yours: skopeo copy --dest-compress-format gzip"
    )


def test_a_registry_that_does_not_answer(cache: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        image = Image(f"127.0.0.1:{closed.getsockname()[1]}/tool", "ab" * 32)
        release = Release(component="tool", version="1.0.0", origin=image, path="tool.release")
        text = refusal(release, cache)
    assert "connection refused" in text
    assert text.endswith("; check the network and the name, or set `image` to a registry that this machine can reach")


class _Closed(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="closed"')
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_registry_that_wants_a_login(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    with HTTPServer(("127.0.0.1", 0), _Closed) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        host = f"127.0.0.1:{server.server_address[1]}"
        image = Image(f"{host}/tool", "ab" * 32)
        text = refusal(Release(component="tool", version="1.0.0", origin=image, path="tool.release"), cache)
        server.shutdown()
        thread.join()
    assert text.endswith(f"; `skopeo login {host}` on this machine, or correct the image")


def test_without_skopeo_the_message_says_how_to_get_it(
    registry: Registry, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusal(registry.release("ab" * 32), cache) == (
        "tool.release: tool 1.0.0 is copied from a registry by skopeo, which is not here; "
        "`apt install skopeo`, or take another source"
    )


def test_space_is_asked_for_before_anything_is_copied(
    registry: Registry, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = registry.image([layer(entry("large", os.urandom(1 << 20)))])
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(9 << 20, 7 << 20, 2 << 20))
    assert refusal(registry.release(sha256(image)), cache) == (
        f"tool.release: tool 1.0.0 needs up to 7 MB while it is unpacked, 2 MB are free; "
        f"make room on the file system of {cache}"
    )


def test_only_a_registry_on_this_machine_is_spoken_to_without_tls(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skopeo, said = tmp_path / "skopeo", tmp_path / "said"
    skopeo.write_text(f'#!/bin/sh\necho "$@" >> {said}\nexit 1\n')
    skopeo.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    for reference in ("registry.example.org:5000/tool", "localhost:5000/tool", "[::1]:5000/tool", "127.0.0.9/tool"):
        release = Release(component="tool", version="1.0.0", origin=Image(reference, "ab" * 32), path="tool.release")
        refusal(release, cache)
    assert ["--tls-verify=false" in line for line in said.read_text().splitlines()] == [False, True, True, True]


def test_a_killed_copy_leaves_nothing_that_counts(registry: Registry, cache: Path, tmp_path: Path) -> None:
    image = registry.image([layer(entry("bin/tool", b"slowly"))])
    gate, fake = tmp_path / "gate", tmp_path / "path"
    fake.mkdir()
    os.mkfifo(gate)
    real = shutil.which("skopeo")
    slow = f'#!/bin/sh\n[ "$1" = copy ] && {{ {real} "$@"; read -r _ < {gate}; }}\nexec {real} "$@"\n'
    (fake / "skopeo").write_text(slow)
    (fake / "skopeo").chmod(0o755)
    command = [sys.executable, "-c", CHILD, registry.reference(), sha256(image), str(cache)]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PATH": f"{fake}:{os.environ['PATH']}"}) as killed:
        opened = gate.open("w")  # opens when all is copied and nothing unpacked
        killed.send_signal(signal.SIGKILL)
    assert len(left(cache)) == 1
    assert programs(cache) == []
    opened.close()
    fetch(registry.release(sha256(image)), "amd64", cache=cache)
    assert left(cache) == []
