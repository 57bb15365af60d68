"""A site: everything an inventory says, checked, complete and frozen."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livekit_metal.core import ports
from livekit_metal.core.errors import Problem, Problems, SiteError
from livekit_metal.core.fields import REQUIRED, Checked, build, derived, option
from livekit_metal.core.types.text import File, HostPath
from livekit_metal.releases import compatibility
from livekit_metal.roles.acme.settings import Settings as Acme
from livekit_metal.roles.base.settings import Settings as Base
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.roles.egress.settings import Settings as Egress
from livekit_metal.roles.exporters.settings import Settings as Exporters
from livekit_metal.roles.firewall.settings import Settings as Firewall
from livekit_metal.roles.ingress.settings import Settings as Ingress
from livekit_metal.roles.kamailio.settings import Settings as Kamailio
from livekit_metal.roles.kernel.settings import Settings as Kernel
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.roles.preflight.settings import Settings as Preflight
from livekit_metal.roles.prometheus.settings import Settings as Prometheus
from livekit_metal.roles.redis.settings import Settings as Redis
from livekit_metal.roles.sip.settings import Settings as Sip
from livekit_metal.site import authority, exposed
from livekit_metal.site.host import CALLERS, Host, name_problem
from livekit_metal.site.sizing import Load
from livekit_metal.site.wiring import acme, host_stack, ingress, sip, tls
from livekit_metal.vault.certificate import Certificate
from livekit_metal.vault.key import KeySource
from livekit_metal.vault.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths(Checked):
    """Where things go on the hosts."""

    config: HostPath = option("/etc/livekit-metal", "configuration and generations")
    releases: HostPath = option("/opt/livekit", "programs, one directory per release")
    state: HostPath = option("/var/lib/livekit-metal", "data of Redis and Prometheus")

    def problems(self, path: str) -> Iterator[Problem]:
        for name in ("config", "releases", "state"):
            value = getattr(self, name)
            if value.rstrip("/").count("/") < 2:
                yield Problem(f"{path}.{name}", f"is {value!r}", "write an absolute path of two parts or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site(Checked):
    """What an inventory describes. ``for_host(host)`` gives the settings of every role on one host."""

    hosts: Mapping[str, Host] = option(REQUIRED, "hosts by name, in the order of a deploy; the first is the canary")
    paths: Paths = option(Paths(), "where things go on the hosts")
    cluster_is_private: bool = option(
        False,
        "hosts may reach each other at public addresses: what goes between those is encrypted (IPsec in transport "
        "mode) or stays in a network of yours",
    )
    secrets: File = option("", "the encrypted secrets file; default: the inventory's name with .secrets")
    secrets_key: File = option("", "file with its key; default: ~/.config/livekit-metal/NAME.key")
    preflight: Preflight = option(Preflight(), "what a host must offer")
    load: Load = option(Load(), "what the site is to carry: preflight says where hosts fall short of it")
    base: Base = option(Base(), "packages, users, time")
    kernel: Kernel = option(Kernel(), "kernel settings")
    firewall: Firewall = option(Firewall(), "the firewall")
    redis: Redis = option(Redis(), "Redis")
    livekit: Livekit = option(Livekit(), "livekit-server")
    egress: Egress = option(Egress(), "egress, which records")
    ingress: Ingress = option(Ingress(), "ingress: streams by RTMP and WHIP")
    edge: Edge = option(Edge(), "HAProxy")
    acme: Acme = option(Acme(), "certificates by ACME, with edge.tls 'acme'")
    sip: Sip = option(Sip(), "livekit-sip, trunks and rules")
    kamailio: Kamailio = option(Kamailio(), "Kamailio, in front of livekit-sip")
    exporters: Exporters = option(Exporters(), "Prometheus exporters")
    prometheus: Prometheus = option(Prometheus(), "Prometheus")

    name: str = derived("")
    vault: Vault | None = derived(None)
    lock: Path | None = derived(None)  # built artifacts' sums, see livekit_metal/runtime/artifacts/fetch.py
    ca_file: Path | None = derived(None)  # of the site's own CA or a private one, for its clients; None: they need none
    served: Mapping[str, Certificate] = derived({})  # by the edge of each host
    words: tuple[Problem, ...] = derived(())  # what to do about the site's CA; a deploy goes on all the same

    def with_role(self, role: str) -> tuple[str, ...]:
        """Names of the hosts that carry ``role``, in order."""
        return tuple(name for name, host in self.hosts.items() if role in host.roles)

    def for_host(self, host: str, *, refresh: bool = False) -> host_stack.HostStack:
        """The settings of every role on ``host``. Raises KeyError for a host that is not in the site.

        ``refresh``: slots that run old code get a new process, or the deploy is refused.
        """
        return host_stack.host_stack(self, host, refresh=refresh)

    def ports(self, host: str) -> tuple[ports.Port, ...]:
        """The registry of one host."""
        return self.for_host(host).ports

    def problems(self, path: str) -> Iterator[Problem]:
        if not self.hosts:
            yield Problem("hosts", "is empty", "name at least one host")
            return
        for name in self.hosts:
            if said := name_problem(name):
                yield Problem(f"hosts.{name}", said, "use letters, digits, dots and dashes")
        yield from self._addresses()
        yield from tls.problems(self)
        yield from acme.problems(self)
        yield from self._redis()
        yield from exposed.problems(self)
        yield from self._releases()
        yield from ingress.problems(self)
        yield from sip.problems(self)
        yield from self._order()
        if self.edge.hard_stop_after < self.livekit.drain.deadline:
            fact = f"is {self.edge.hard_stop_after}, less than livekit.drain.deadline ({self.livekit.drain.deadline})"
            remedy = "raise it: a reload would cut the WebSockets of a slot that still drains"
            yield Problem("edge.hard_stop_after", fact, remedy)
        if self.livekit.probe == "peer" and len(serving := self.with_role("livekit")) == 1:
            fact = f"is 'peer' and only {serving[0]} has the role livekit"
            yield Problem("livekit.probe", fact, "set it to controller or host, or give another host the role")
        if not self.with_role("livekit"):
            yield Problem("hosts", "none has the role livekit", "give it to at least one host")

    def _addresses(self) -> Iterator[Problem]:
        for kind in ("address", "public_address", "ipv6", "cluster_address"):
            owners: dict[str, str] = {}
            for name, host in self.hosts.items():
                address = getattr(host, kind)
                if address and (first := owners.setdefault(address, name)) != name:
                    where = kind.removesuffix("_address")
                    yield Problem(f"hosts.{name}.{where}", f"{address} is also that of {first}", "give each its own")

    def _releases(self) -> Iterator[Problem]:
        chosen: dict[str, str] = {}  # component -> version
        for role in ("livekit", "egress"):
            settings: Livekit | Egress = getattr(self, role)
            if not (names := self.with_role(role)):
                continue
            try:
                release = settings.release_spec()
                for name in names:
                    release.check(self.hosts[name].arch)
            except SiteError as error:
                yield from error.problems
                continue
            chosen[release.component] = release.version
            for key, since in compatibility.unknown(release.component, release.version, settings.extra).items():
                remedy = f"remove it, or choose {since} or newer"
                yield Problem(f"{role}.extra.{key}", f"is not known to {release}", remedy)
        if isinstance(found := compatibility.together(chosen), Problem):
            yield found

    def _order(self) -> Iterator[Problem]:
        """Who needs livekit-server comes when one serves: a deploy goes host by host."""
        names = list(self.hosts)
        serving = self.with_role("livekit")
        for role in CALLERS:
            for name in self.with_role(role):
                if serving and names.index(name) < names.index(serving[0]):
                    fact = f"has the role {role} and comes before {serving[0]}, the first with livekit"
                    yield Problem(f"hosts.{name}", fact, f"move it behind {serving[0]}: it is activated in this order")

    def _redis(self) -> Iterator[Problem]:
        owners = self.with_role("redis")
        if self.redis.external:
            if owners:
                yield Problem("redis.external", f"is set and {owners[0]} has the role redis", "drop one of them")
            return
        if len(owners) != 1:
            fact = "no host has the role redis" if not owners else f"{', '.join(owners)} have the role redis"
            yield Problem("hosts", fact, "give it to exactly one host, or set redis.external")


def load(data: Mapping[str, Any], name: str, directory: Path) -> Site:
    """The site ``name`` from plain data; relative paths start at ``directory``.

    Raises SiteError with everything that is wrong: keys, values, secrets, certificates, ports of every host.
    """
    problems = Problems()
    site = build(Site, data, "site", problems)
    if site is None or problems:
        raise SiteError(_short(p) for p in problems)
    secrets = directory / (site.secrets or f"{name}.secrets")
    source = KeySource.of(secrets.stem)
    if site.secrets_key:
        source = dataclasses.replace(source, default=directory / site.secrets_key)
    vault = Vault.open(secrets, key=source)
    site = host_stack.complete(site, name=name, vault=vault, lock=secrets.with_suffix(".lock"))
    ca_file = authority.file(vault)
    served, acmes = tls.served(site, vault, directory, ca_file), acme.completed(site, vault, directory)
    trusted = {"internal": ca_file, "acme": acme.trusted(site, directory)}.get(site.edge.tls)
    words = tuple(authority.words(vault)) if site.edge.tls == "internal" else ()
    site = host_stack.complete(site, served=served, acme=acmes, ca_file=trusted, words=words)
    for host in site.hosts:
        problems.extend(ports.overlaps(site.ports(host), host))
        problems.extend(site.firewall.clashes(site.ports(host), host))
    problems_of_all = dict.fromkeys(problems)  # the same overlap on several hosts reads alike but for the host
    if problems_of_all:
        raise SiteError(problems_of_all)
    return site


def _short(problem: Problem) -> Problem:
    """Paths as the operator writes them: without the outermost name."""
    return Problem(problem.path.removeprefix("site."), problem.fact, problem.remedy)
