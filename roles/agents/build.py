"""A release of a fleet on this machine: its code, and its packages for the Python or Node of the hosts.

What a host gets is told apart by what decides the bytes (code, lock, interpreter, architecture); packages are kept, so
a change of the code is small.
"""

from __future__ import annotations

import functools
import shutil
from dataclasses import dataclass
from pathlib import Path

from pyinfra.api.exceptions import PyinfraError

from livekit_metal.core.errors import SiteError
from livekit_metal.roles.agents import source
from livekit_metal.roles.agents.code import Source
from livekit_metal.roles.agents.locks import node as lock_node
from livekit_metal.roles.agents.locks import python as lock_python
from livekit_metal.roles.agents.settings import Fleet
from livekit_metal.runtime.artifacts.fetch import Artifact
from livekit_metal.runtime.artifacts.progress import heartbeat
from livekit_metal.runtime.artifacts.status_line import StatusLine
from livekit_metal.runtime.artifacts.store import Made, Store, store


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle(Artifact):
    """A release: ``path`` is an archive of the code, ``packages`` one of what it needs."""

    packages: Path
    packages_id: str
    packages_sha256: str
    packages_size: int


def bundle(fleet: Fleet) -> Bundle:
    """The release of ``fleet`` for its hosts. Raises PyinfraError, shown as it is: nothing was changed."""
    try:
        if found := list(source.problems(fleet)):
            raise SiteError(found)
        return _bundle(fleet.path, fleet.directory, fleet.source, fleet.arch, store(None))
    except SiteError as error:
        raise PyinfraError(f"nothing was changed\n{error}") from error
    except OSError as error:
        raise PyinfraError(f"nothing was changed\n{fleet.path}.source: cannot be packed: {error}") from error


@functools.cache  # a run has one answer, whatever is edited meanwhile
def _bundle(path: str, directory: str, where: Source, arch: str, place: Store) -> Bundle:
    root, runs = Path(directory), where.version
    place.close()
    packages = _packages(path, root, where, arch, place)
    # Node looks for modules beside and above the code, and nowhere else.
    links = {"node_modules": "../site/node_modules"} if where.node else {}
    key = f"agents code {root.resolve()}"
    with place.exclusive(key, busy=lambda: None), place.work(key) as work:
        source.pack(root, source.files(root), "code", work / "code", links)
        code = place.put(work / "code")
    identity = source.digest(code.sha256.encode(), packages.sha256.encode(), runs.encode())
    return Bundle(
        component=path,
        version=source.framework(where, root),
        source="directory",
        arch=arch,
        sha256=code.sha256,
        path=place.program(code.sha256),
        size=code.size,
        identity=identity,
        packages=place.program(packages.sha256),
        packages_id=f"{packages.sha256} {runs}",
        packages_sha256=packages.sha256,
        packages_size=packages.size,
    )


def _packages(path: str, root: Path, where: Source, arch: str, place: Store) -> Made:
    """The packages of the lock, as an archive in the store."""
    lock = lock_node if where.node else lock_python
    version, platform = where.version, lock.platform(where.version, arch)
    title = f"{where.language.capitalize()} {version}, {platform}"
    key = f"agents packages {where.language} {version} {platform} {source.digest(lock.told(path, root))}"
    waiting = f"{path}: another build of its packages is under way, waiting"
    with StatusLine() as say, place.exclusive(key, busy=lambda: say(waiting)):
        if (made := place.last(key)) and place.holds(made):
            return made
        with place.work(key) as work:
            with heartbeat(say, lambda: f"{path}: packages for {title}"):
                tree = lock.fetch(path, root, version, arch, work)
            source.pack(tree, (each for each in sorted(tree.rglob("*")) if _kept(each)), "site", work / "packages")
            shutil.rmtree(tree)
            made = place.put(work / "packages")
        place.remember(key, made)
        say(f"{path}: {made.size / 1e6:.0f} MB of packages for {title}")
        return made


def _kept(file: Path) -> bool:
    """No bytecode, which the host makes itself, and no maps for debuggers."""
    return file.is_file() and not file.is_symlink() and file.suffix not in (".pyc", ".map")
