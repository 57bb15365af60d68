"""How to reach a site as a client: from its inventory, or from a file for those who have none.

Contract: the shape of access.json is the fields of :class:`Access`; unknown keys are errors.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from livekit_metal.call.errors import CallError
from livekit_metal.core.errors import Problems
from livekit_metal.core.fields import REQUIRED, build, nearest, option
from livekit_metal.core.ports import endpoint
from livekit_metal.core.types.text import Text

if TYPE_CHECKING:
    from livekit_metal.roles.edge.settings import Settings as Edge
    from livekit_metal.site.model import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host of the site."""

    address: str = option(REQUIRED, "address of the host")
    url: str | None = option(None, "URL that leads to this very host (ws or wss); None: there is none")
    roles: tuple[str, ...] = option((), "names of the roles it carries")


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """URL and credentials of a site; the secret shows in no repr."""

    url: str = option(REQUIRED, "URL that clients use (ws or wss)")
    api_key: str = option(REQUIRED, "name of an API key")
    api_secret: str = field(repr=False, metadata={"doc": "secret of that key"})
    ca_file: str | None = option(None, "PEM file of the site's own CA; None: the system's roots")
    ca: Text | None = option(None, "PEM of that CA itself, for a machine that has no such file")
    hosts: Mapping[str, Host] = option({}, "hosts by name")
    names: Mapping[str, str] = option({}, "addresses of TURN names that no DNS knows (yet)")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Access:
        """Read an access file, '-' from standard input. Raises :class:`CallError` when it is none."""
        try:
            data = json.loads(sys.stdin.read() if path == "-" else Path(path).read_text())
        except OSError as error:
            raise CallError("access", f"{path}: {error.strerror}", "run 'make lab' or name the file") from None
        except ValueError as error:
            raise CallError("access", f"{path} is not JSON ({error})", "write it again: 'make lab'") from None
        return cls.parse(data, str(path))

    @classmethod
    def parse(cls, data: object, path: str) -> Access:
        """The plain ``data`` of ``path``. Raises :class:`CallError` when it does not make sense."""
        problems = Problems()
        made: Access | None = build(cls, data, path, problems)
        if made is None or problems:
            raise CallError("access", "\n".join(map(str, problems)), "write it again: 'make lab'")
        return made

    @classmethod
    def of(cls, site: Site) -> Access:
        """As the inventory says, with the current API key. Raises :class:`CallError` before the first deploy."""
        vault = site.vault
        if vault is None or not vault.exists:
            fact = f"{vault.path} does not exist yet" if vault else "the site has no secrets"
            raise CallError("access", fact, "the first deploy makes it: pyinfra INVENTORY deploy.py")
        if site.ca_file and not site.ca_file.exists():
            fact = f"{site.ca_file}, the certificate of the site's CA, is not there"
            remedy = f"write it: python -m procedures.secrets INVENTORY ca >{site.ca_file}"
            raise CallError("access", fact, remedy)
        from livekit_metal.roles.edge.settings import Settings  # noqa: PLC0415 - hosts that make calls have no roles

        edge = site.of(Settings)
        hosts = {n: Host(address=h.address, url=_url(site, edge, n), roles=h.roles) for n, h in site.hosts.items()}
        first = site.with_role("livekit")[0]  # a site has one at least
        if (url := _url(site, edge, first, edge.domain)) is None:
            fact = "nobody but edge.proxies may connect, and edge.domain is missing"
            raise CallError("access", fact, "give the name by which clients come to your proxy")
        return cls(
            url=url,
            api_key=vault.api_key,
            api_secret=vault.api_secret.reveal(),
            ca_file=str(site.ca_file) if site.ca_file else None,
            hosts=hosts,
        )

    def portable(self) -> Access:
        """The same for another machine, which has no file of this one."""
        return replace(self, ca_file=None, ca=Path(self.ca_file).read_text()) if self.ca_file else self

    def through(self, host: str | None) -> str:
        """The URL by way of one host, or the site's own for None. Raises :class:`CallError`."""
        if host is None:
            return self.url
        if host not in self.hosts:
            raise CallError("access", f"no host {host!r}", nearest(host, self.hosts))
        if (url := self.hosts[host].url) is None:
            serving = ", ".join(name for name, h in self.hosts.items() if h.url) or "none"
            raise CallError("access", f"no URL leads to {host} alone", f"hosts with one: {serving}")
        return url


def _url(site: Site, edge: Edge, host: str, name: str = "") -> str | None:
    """How clients reach ``host``: at ``name``, or at its address, if its certificate is for that."""
    at = site.hosts[host].public_address
    if "livekit" not in site.hosts[host].roles:
        return None
    if edge.proxied_site:  # nobody but the operator's proxy gets to a host, and it to any of several
        name = name or (edge.domain if len(site.with_role("livekit")) == 1 else "")
        return f"wss://{name}{edge.url_suffix}" if name else None
    if not edge.encrypted:
        return f"ws://{endpoint(at, edge.http.first)}{edge.path_prefix}"
    if not name and not ((served := site.served.get(host)) and served.covers(at)):
        return None
    bare = f"[{at}]" if ":" in at else at
    return f"wss://{name or bare}{edge.url_suffix}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The words that say which site a command is for; :func:`chosen` reads them."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--inventory", metavar="FILE", help="the site, such as inventories/prod.py")
    said = "a file with its URL and API key ('-': standard input), without an inventory; default: %(default)s"
    which.add_argument("--access", default=".lab/access.json", metavar="FILE", help=said)


def chosen(options: argparse.Namespace) -> Access:
    """Raises :class:`CallError`; an inventory with errors ends the program with them."""
    if options.inventory is None:
        return Access.load(options.access)
    if not Path(options.inventory).is_file():
        raise CallError("access", f"{options.inventory}: there is no such inventory", "name one: inventories/prod.py")
    from livekit_metal.site import inventory  # noqa: PLC0415 - what needs no site need not load what a site is

    return Access.of(inventory.read(options.inventory))
