"""Images out of a real registry: what becomes of them, with umoci as the witness, and that they are asked for once."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

from livekit_metal.runtime.artifacts.fetch import fetch, verify
from tests.support.artifacts.registry import Registry, entry, layer, sha256
from tests.support.artifacts.upstream import left

DIR, LINK, HARD = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
BASE = layer(
    entry("usr/", kind=DIR),
    entry("usr/bin/", kind=DIR, uid=0, gid=50, mode=0o2775, mtime=7),
    entry("bin", kind=LINK, linkname="usr/bin"),
    entry("usr/bin/tool", b"#!/bin/sh\necho tool\n", mode=0o755, mtime=1_700_000_000),
    entry("usr/bin/also", kind=HARD, linkname="usr/bin/tool"),
    entry("usr/bin/su", b"su", mode=0o4755),
    entry("home/me/", kind=DIR, uid=1001, gid=1001, mode=0o700),
    entry("home/me/note", b"mine", uid=1001, gid=1001),
    entry("etc/old", b"old"),
    entry("etc/gone/deep/file", b"gone"),
    entry("etc/kept", b"kept", pax_headers={"SCHILY.xattr.user.why": "because"}),
    entry("srv/plain/lower", b"lower"),
    entry("dev/null", kind=tarfile.CHRTYPE, devmajor=1, devminor=3),
)
TOP = layer(
    entry("etc/.wh.gone"),
    entry("etc/old", b"new", mode=0o600),
    entry("srv/plain/.wh..wh..opq"),
    entry("srv/plain/upper", b"upper"),
    entry("bin/second", b"through the link", mode=0o755),
    entry("usr/bin/", kind=DIR, uid=0, gid=50, mode=0o755, mtime=9),
    entry("usr/bin/.wh.tool"),
    entry("f\u00e4cher/" + "long/" * 40 + "name", b"unicode and long"),
)


def described(tree: Path) -> dict[str, tuple[object, ...]]:
    """Everything below a directory: kind, permissions, content or target, what it shares its inode with."""
    found: dict[str, tuple[object, ...]] = {}
    inodes: dict[int, str] = {}
    for path in sorted(tree.rglob("*")):
        name, at = str(path.relative_to(tree)), path.lstat()
        what: object = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else "directory"
        first = inodes.setdefault(at.st_ino, name)
        owner = (at.st_uid, at.st_gid) if os.geteuid() == 0 else ()
        mode = 0 if path.is_symlink() else at.st_mode & 0o7777
        xattrs = () if path.is_symlink() else tuple((x, os.getxattr(path, x)) for x in os.listxattr(path))
        found[name] = (what, mode, owner, first, xattrs if os.geteuid() == 0 else ())
    return found


def unpacked(archive: Path, into: Path) -> Path:
    """As a host does it."""
    into.mkdir()
    options = ["-p", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--delay-directory-restore"]
    subprocess.run(["tar", "-x", *options, "-f", archive, "-C", into], check=True)
    return into


def witnessed(registry: Registry, digest: str, into: Path) -> Path:
    """The same image, copied by skopeo and unpacked by umoci."""
    source = f"docker://{registry.reference()}@{digest}"
    subprocess.run(["skopeo", "copy", "-q", "--src-tls-verify=false", source, f"oci:{into}/layout:image"], check=True)
    rootless = [] if os.geteuid() == 0 else ["--rootless"]
    subprocess.run(["umoci", "unpack", *rootless, "--image", f"{into}/layout:image", f"{into}/bundle"], check=True)
    return into / "bundle" / "rootfs"


def test_a_tree_is_what_umoci_makes_of_the_image(registry: Registry, cache: Path, tmp_path: Path) -> None:
    image = registry.image([BASE, TOP])
    lines: list[str] = []
    got = fetch(registry.release(sha256(image)), "amd64", cache=cache, progress=lines.append)
    verify(got)
    assert got.is_tree
    assert left(cache) == []
    assert "tool 1.0.0 amd64: 1 device files are left out" in lines
    ours, theirs = unpacked(got.path, tmp_path / "ours"), witnessed(registry, image["digest"], tmp_path)
    (theirs / "dev/null").unlink()
    assert described(ours) == described(theirs)
    assert sorted(path.name for path in (ours / "usr/bin").iterdir()) == ["also", "second", "su"]
    assert (ours / "usr/bin/su").stat().st_mode & 0o7777 == 0o4755
    assert sorted(path.name for path in (ours / "srv/plain").iterdir()) == ["upper"]


def test_owners_and_times_are_in_the_archive_whoever_fetches(registry: Registry, cache: Path) -> None:
    got = fetch(registry.release(sha256(registry.image([BASE, TOP]))), "amd64", cache=cache)
    with tarfile.open(got.path) as tar:
        names = tar.getnames()
        note, su, bin_ = (tar.getmember(f"./{name}") for name in ("home/me/note", "usr/bin/su", "usr/bin"))
        kept = tar.getmember("./etc/kept")
    assert names == sorted(names, key=lambda name: name.split("/"))
    assert len(set(names)) == len(names)
    assert (note.uid, note.gid, note.uname, su.mode, bin_.gid, bin_.mtime) == (1001, 1001, "", 0o4755, 50, 9)
    assert kept.pax_headers["SCHILY.xattr.user.why"] == "because"


def test_the_architecture_is_chosen_and_the_bytes_follow_from_the_digest(registry: Registry, tmp_path: Path) -> None:
    arm = registry.image([layer(entry("bin/tool", b"arm"))], arch="arm64")
    index = registry.index(amd64=registry.image([BASE]), arm64=arm)
    release = registry.release(sha256(index))
    one, other = (fetch(release, arch, cache=tmp_path / "one") for arch in ("amd64", "arm64"))
    again = fetch(release, "amd64", cache=tmp_path / "two")
    assert one.sha256 == again.sha256 != other.sha256
    alone = fetch(registry.release(sha256(arm)), "arm64", cache=tmp_path / "two")
    assert alone.sha256 == other.sha256


def test_a_second_fetch_asks_no_registry(registry: Registry, cache: Path) -> None:
    image = registry.image([layer(entry("bin/tool", b"once"))])
    first = fetch(registry.release(sha256(image)), "amd64", cache=cache)
    registry.stored(image["digest"]).unlink()
    assert fetch(registry.release(sha256(image)), "amd64", cache=cache) == first


def test_an_image_that_real_tools_have_made(registry: Registry, cache: Path, tmp_path: Path) -> None:
    """Built by umoci, pushed by skopeo in Docker's own format, as upstream's images are."""
    layout = f"{tmp_path}/layout"
    (tmp_path / "tool").write_text("made by umoci")

    def umoci(*words: str) -> None:
        rootless = ["--rootless"] if os.geteuid() and words[0] in ("insert", "unpack") else []
        subprocess.run(["umoci", words[0], *rootless, *words[1:]], check=True)

    umoci("init", "--layout", layout)
    umoci("new", "--image", f"{layout}:made")
    umoci("insert", "--image", f"{layout}:made", f"{tmp_path}/tool", "/bin/tool")
    umoci("config", "--image", f"{layout}:made", "--architecture", "amd64", "--os", "linux")
    target = f"docker://{registry.reference('made')}:1"
    push = ["skopeo", "copy", "-q", "--dest-tls-verify=false", "--format", "v2s2", "--digestfile", f"{tmp_path}/digest"]
    subprocess.run([*push, f"oci:{layout}:made", target], check=True)
    digest = (tmp_path / "digest").read_text().removeprefix("sha256:")
    got = fetch(registry.release(digest, "made"), "amd64", cache=cache)
    with tarfile.open(got.path) as tar:
        content = tar.extractfile("./bin/tool")
        assert content is not None
        assert content.read() == b"made by umoci"
