"""How to reach a site as a client: the file that a lab or a deploy leaves behind.

Contract: the shape of access.json is the fields of :class:`Access`; unknown keys are errors.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from procedures.call.errors import CallError
from stack.errors import Problems
from stack.fields import REQUIRED, build, nearest, option


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host of the site."""

    address: str = option(REQUIRED, "address of the host")
    url: str | None = option(None, "URL of LiveKit on this very host (ws or wss); None: it serves no clients")
    roles: tuple[str, ...] = option((), "names of the roles it carries")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """URL and credentials of a site; the secret shows in no repr."""

    url: str = option(REQUIRED, "URL that clients use (ws or wss)")
    api_key: str = option(REQUIRED, "name of an API key")
    api_secret: str = field(repr=False, metadata={"doc": "secret of that key"})
    ca_file: str | None = option(None, "PEM file of the site's own CA; None: the system's roots")
    hosts: Mapping[str, Host] = option({}, "hosts by name")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Access:
        """Read an access file. Raises :class:`CallError` when it is missing or is no such file."""
        try:
            data = json.loads(Path(path).read_text())
        except OSError as error:
            raise CallError("access", f"{path}: {error.strerror}", "run 'make lab' or name the file") from None
        except ValueError as error:
            raise CallError("access", f"{path} is no JSON ({error})", "write it again: 'make lab'") from None
        problems = Problems()
        made: Access | None = build(cls, data, str(path), problems)
        if made is None or problems:
            raise CallError("access", "\n".join(map(str, problems)), "write it again: 'make lab'")
        return made

    def through(self, host: str | None) -> str:
        """The URL by way of one host, or the site's own for None. Raises :class:`CallError`."""
        if host is None:
            return self.url
        if host not in self.hosts:
            raise CallError("access", f"no host {host!r}", nearest(host, self.hosts))
        if (url := self.hosts[host].url) is None:
            serving = ", ".join(name for name, h in self.hosts.items() if h.url) or "none"
            raise CallError("access", f"{host} serves no clients", f"hosts that do: {serving}")
        return url
