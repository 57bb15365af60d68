"""The layers of an image merged into one tar archive, as the OCI image specification says (layer.md).

Nothing is unpacked: no name of an image ever reaches a file system, and owners, modes, times and extended attributes
come through although no privilege is there. The archive has each path once, parents first, sorted: it follows from the
layers alone. Directories that only follow from names belong to root.
"""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

_OPAQUE = ".wh..wh..opq"
_WHITEOUT = ".wh."
_MOST_LINKS = 40  # as the kernel: symbolic links on the way to a file
_GZIP_MAGIC = b"\x1f\x8b"


class Damaged(Exception):
    """Layers that make no tree; the text says why."""


@dataclass(slots=True)
class _Inode:
    """What a path leads to; hard links share it."""

    info: tarfile.TarInfo
    layer: tarfile.TarFile | None = None
    name: str = ""  # under which it was written


@dataclass(slots=True)
class _Node:
    inode: _Inode
    children: dict[str, _Node] = field(default_factory=dict)

    @property
    def is_dir(self) -> bool:
        return self.inode.info.isdir()


def decompressed(blob: Path, target: Path) -> Path:
    """``target``, with what ``blob`` is when it is not compressed. Raises Damaged, OSError.

    Filled up to a whole block: some builders (umoci 0.4) leave that out, and Python's tarfile insists on it.
    """
    with blob.open("rb") as file, target.open("wb") as out, ExitStack() as stack:
        compressed = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        source = stack.enter_context(gzip.open(file)) if compressed else file
        try:
            shutil.copyfileobj(source, out, 1 << 20)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise Damaged(f"a layer cannot be decompressed ({error})") from error
        out.write(bytes(-out.tell() % tarfile.BLOCKSIZE))
    return target


def merge(layers: Sequence[Path], target: Path) -> int:
    """Write the tree of ``layers`` (tar archives, the lowest first) to ``target``; how many device files are left out.

    Raises Damaged.
    """
    tree, left = _Tree(), 0
    with ExitStack() as stack:
        try:
            for path in layers:
                layer = stack.enter_context(tarfile.open(path, "r:"))
                left += tree.add(layer)
            tree.write(target)
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise Damaged(str(error)) from error
    return left


class _Tree:
    def __init__(self) -> None:
        self.root = _Node(_Inode(_directory()))

    def add(self, layer: tarfile.TarFile) -> int:
        """Lay one layer over what is there: first what it takes away, which is only from below, then what it brings."""
        left = 0
        members = [(_parts(info.name), info) for info in layer]
        for parts, _ in members:
            if parts and parts[-1].startswith(_WHITEOUT):
                self._take_away(parts)
        for parts, info in members:
            if parts and parts[-1].startswith(_WHITEOUT):
                continue
            if info.ischr() or info.isblk():
                self._directory(parts[:-1])
                left += 1
                continue
            self._bring(parts, info, layer)
        return left

    def _take_away(self, parts: list[str]) -> None:
        parent = self._find(parts[:-1])
        if parent and parts[-1] == _OPAQUE:
            parent.children.clear()
        elif parent:
            parent.children.pop(parts[-1].removeprefix(_WHITEOUT), None)

    def _bring(self, parts: list[str], info: tarfile.TarInfo, layer: tarfile.TarFile) -> None:
        if not parts:
            self.root.inode = _Inode(info)
            return
        inode = _Inode(info, layer)
        if info.islnk():
            linked = self._find(_parts(info.linkname))
            if linked is None or linked.is_dir:
                raise Damaged(f"{info.name} is a hard link to {info.linkname}, which is not a file")
            inode = linked.inode
        parent, name = self._directory(parts[:-1]), parts[-1]
        old = parent.children.get(name)
        parent.children[name] = _Node(inode, old.children if old and old.is_dir and info.isdir() else {})

    def _find(self, parts: Sequence[str]) -> _Node | None:
        """What is there by this name; links on the way are followed, one at the end is not."""
        if not parts:
            return self.root
        parent = self._walk(parts[:-1], make=False)
        return parent.children.get(parts[-1]) if parent else None

    def _directory(self, parts: Sequence[str]) -> _Node:
        found = self._walk(parts, make=True)
        assert found is not None  # it was made
        return found

    def _walk(self, parts: Sequence[str], *, make: bool) -> _Node | None:
        """The directory ``parts`` in the tree, never outside of it; links are followed, what is missing is made."""
        trail, waiting, links = [self.root], list(reversed(parts)), 0
        while waiting:
            name = waiting.pop()
            if name == "..":
                trail = trail[:-1] or trail
                continue
            node = trail[-1].children.get(name)
            if node and node.inode.info.issym():
                links += 1
                if links > _MOST_LINKS:
                    raise Damaged(f"{'/'.join(parts)} leads in a circle")
                target = node.inode.info.linkname
                trail = [self.root] if target.startswith("/") else trail
                waiting += reversed([part for part in target.split("/") if part not in ("", ".")])
                continue
            if node is None or not node.is_dir:
                if not make:
                    return None
                node = trail[-1].children[name] = _Node(_Inode(_directory()))
            trail.append(node)
        return trail[-1]

    def write(self, target: Path) -> None:
        with tarfile.open(target, "w", format=tarfile.PAX_FORMAT, encoding="utf-8") as out:
            for name, node in self._paths(self.root, "."):
                _append(out, name, node.inode)

    def _paths(self, node: _Node, name: str) -> Iterator[tuple[str, _Node]]:
        waiting = [(name, node)]
        while waiting:
            name, node = waiting.pop()
            yield name, node
            waiting += [(f"{name}/{child}", node.children[child]) for child in sorted(node.children, reverse=True)]


def _append(out: tarfile.TarFile, name: str, inode: _Inode) -> None:
    given = inode.info
    info = tarfile.TarInfo(name)
    info.mode, info.uid, info.gid, info.mtime = given.mode & 0o7777, given.uid, given.gid, int(given.mtime)
    info.pax_headers = {k: v for k, v in given.pax_headers.items() if k.startswith("SCHILY.xattr.")}
    if inode.name:
        info.type, info.linkname = tarfile.LNKTYPE, inode.name
        out.addfile(info)
        return
    inode.name = name
    info.type = tarfile.REGTYPE if given.isreg() else given.type
    info.linkname = given.linkname if given.issym() else ""
    content = inode.layer.extractfile(given) if inode.layer and given.isreg() else None
    info.size = given.size if content else 0
    out.addfile(info, content)


def _directory() -> tarfile.TarInfo:
    info = tarfile.TarInfo()
    info.type, info.mode = tarfile.DIRTYPE, 0o755
    return info


def _parts(name: str) -> list[str]:
    """The components of a member's name. Raises Damaged for a name that leads upwards."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise Damaged(f"a file is called {name!r}")
    return parts
