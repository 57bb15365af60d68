"""Other services behind the edge (edge.backends), and why some cannot be there."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import REQUIRED, Checked, derived, option
from livekit_metal.core.types.text import Domain, Endpoint, File, Kind, is_address

_PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_URI = re.compile(r"/[A-Za-z0-9._~/-]*(\?[A-Za-z0-9._~=&-]+)?")
# Paths of livekit-server (pkg/service: rtcservice.go, agentservice.go, whipservice.go, twirp) and of WHIP (/w).
OWN = ("rtc", "twirp", "w", "agent", "settings", "whip")
Name = Annotated[
    str,
    Kind(
        "name of a service",
        lambda value: re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", value, re.ASCII) is not None,
        "use letters, digits, _ and -, 32 at most",
    ),
]


def is_prefix(path: str) -> bool:
    """Whether ``path`` is one such as /sfu/get."""
    return _PREFIX.fullmatch(path) is not None


def meet(one: str, other: str) -> bool:
    """Whether two paths are the same, or one is below the other."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend(Checked):
    """A service that is not LiveKit's: HTTP and WebSocket, with the limits of the edge."""

    server: Endpoint = option(
        REQUIRED, "address:port where it listens, reached from every host with an edge; 127.0.0.1 is that host itself"
    )
    names: tuple[Domain, ...] = option((), "names of its own, which get into certificates; empty: the site's names")
    paths: tuple[str, ...] = option(
        (), "paths below which requests are its own, such as /sfu/get; empty: all of its names"
    )
    strip: bool = option(False, "it gets paths without the part that `paths` says")
    check: str = option("", "path that says it is well, by a status of 200 to 399; empty: it takes connections")
    tls: bool = option(False, "speak TLS to it, and check its certificate")
    tls_name: Domain = option("", "the name that its certificate must be for, and that it is asked by (SNI)")
    ca_file: File = option(
        "", "file with the CA that its certificate is from (PEM), relative to the inventory; empty: those of the host"
    )

    ca: str = derived("")  # what ca_file holds

    @property
    def host(self) -> str:
        """What it is asked by when its health is."""
        return self.tls_name or next(iter(self.names), self.server)

    def problems(self, path: str) -> Iterator[Problem]:
        address = self.server.rpartition(":")[0].strip("[]")
        if not is_address(address):
            fact = f"is {self.server!r}, and HAProxy would look the name up once, when it starts"
            yield Problem(f"{path}.server", fact, "write the address, such as 127.0.0.1:8080")
        elif ipaddress.ip_address(address).is_unspecified:
            yield Problem(f"{path}.server", f"is {self.server!r}, which leads nowhere", "write 127.0.0.1 for the host")
        if not self.names and not self.paths:
            yield Problem(path, "has neither names nor paths", "say by which requests are its own")
        for i, each in enumerate(self.paths):
            if not is_prefix(each):
                yield Problem(f"{path}.paths[{i}]", f"is {each!r}", "write it like '/sfu/get'")
        if self.strip and not self.paths:
            yield Problem(f"{path}.strip", "is set and there are no paths", "drop it, or name the paths")
        if self.check and not _URI.fullmatch(self.check):
            yield Problem(f"{path}.check", f"is {self.check!r}", "write it like '/healthz'")
        yield from self._tls(path)

    def _tls(self, path: str) -> Iterator[Problem]:
        if self.tls and not self.tls_name:
            yield Problem(f"{path}.tls_name", "is missing", "give the name that its certificate is for")
        for name in ("tls_name", "ca_file"):
            if getattr(self, name) and not self.tls:
                yield Problem(f"{path}.{name}", "is set and tls is not", "set tls, or drop it")


def problems(edge: Any, path: str) -> Iterator[Problem]:
    """What is wrong with the backends of ``edge`` beside each other and beside LiveKit."""
    site_names = {name.lower() for name in (edge.domain, *edge.names) if name}
    for key, backend in edge.backends.items():
        at = f"{path}.backends.{key}"
        for i, name in enumerate(backend.names):
            if name.lower() in site_names:
                remedy = "drop it: without names, paths count at the site's own"
                yield Problem(f"{at}.names[{i}]", f"{name} is LiveKit's own name", remedy)
        if not backend.names:
            yield from _shadowing(edge, backend, at)
    yield from _overlaps(edge.backends, path)


def _shadowing(edge: Any, backend: Backend, at: str) -> Iterator[Problem]:
    for i, each in enumerate(backend.paths):
        if (first := each.split("/")[1:2]) and first[0] in OWN:
            remedy = "choose another, or give it a name of its own"
            yield Problem(f"{at}.paths[{i}]", f"/{first[0]} is LiveKit's own", remedy)
        elif edge.path_prefix and meet(each, edge.path_prefix):
            fact = f"{each} meets {edge.path_prefix}, below which clients find LiveKit (edge.path_prefix)"
            yield Problem(f"{at}.paths[{i}]", fact, "choose another, or give it a name of its own")


def _overlaps(backends: Mapping[str, Backend], path: str) -> Iterator[Problem]:
    """Two that are asked by the same request."""
    owners: list[tuple[str, str, str]] = []  # name ('' is the site's), path, key
    for key, backend in backends.items():
        for name in [each.lower() for each in backend.names] or [""]:
            for below in backend.paths or [""]:
                said = f"{name}{below}" or key
                for other, at, owner in owners:
                    if other == name and meet(below, at):
                        fact = f"{said} is also {'its own' if owner == key else f'that of {owner}'} ({name}{at})"
                        yield Problem(f"{path}.backends.{key}", fact, "give each request one service")
                owners.append((name, below, key))
