"""What a site is, checked, complete and frozen, and what a role reports about itself. Nothing here names a role."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import REQUIRED, Checked, derived, option
from livekit_metal.core.passthrough import joined
from livekit_metal.core.ports import Port
from livekit_metal.core.sizing import Load
from livekit_metal.core.types.secret import Secret
from livekit_metal.core.types.text import File
from livekit_metal.site.host import Host, name_problem
from livekit_metal.site.paths import Installed, Paths
from livekit_metal.site.rollout import Rollout
from livekit_metal.vault.certificate import Certificate
from livekit_metal.vault.vault import Vault

S = TypeVar("S")


class Role(Generic[S]):
    """What a role tells the rest of the house about itself: ``ROLE`` in its ``about.py``, which needs no pyinfra."""

    name: ClassVar[str]
    purpose: ClassVar[str]  # a phrase, for docs/configuration.md
    settings: type[S]
    named: ClassVar[bool] = False  # hosts carry it when their ``roles`` name it
    rank: ClassVar[int] = 2  # when it starts: 0 what the rest stands on, 1 what is in front, 2 what serves, 3 the rest
    caller: ClassVar[bool] = False  # needs livekit-server through the edge of its host
    on_redis: ClassVar[bool] = True  # a caller that needs Redis, too
    slots: ClassVar[bool] = False  # settings have ``slots``, ``drain`` and ``refresh``
    several: ClassVar[bool] = False  # settings have ``daemons``: any number of them in slots, by component
    explained_by: ClassVar[tuple[str, ...]] = ()  # checks of the doctor whose failure explains that of the role
    reports: ClassVar[bool] = False  # tells livekit-server how its sessions ended: at a reboot it ends before that
    at_every_edge: ClassVar[bool] = False  # its clients come to any edge of the site, wherever it runs
    outlasting: ClassVar[tuple[str, ...]] = ()  # how the names of units begin that outlive a change of their ports
    everywhere: ClassVar[Mapping[str, str]] = {}  # options that are the same on every host ('' is all of them): why

    def on(self, site: Site, host: str) -> S | None:
        """Its settings on a host, complete but for what depends on other roles there; None where it is not."""
        return site.of(self.settings) if not self.named or self.name in site.hosts[host].roles else None

    def finished(self, site: Site, stack: HostStack, own: S) -> S:
        """``own`` with what depends on the other roles of the host, which ``stack`` has as :meth:`on` left them."""
        return own

    def ports(self, own: Any) -> Iterable[Port]:
        """Its ports on a host, for the registry."""
        found: Iterable[Port] = own.ports() if callable(getattr(own, "ports", None)) else ()
        return found

    def installed(self, site: Site, stack: HostStack, own: S) -> Installed:
        """What it puts on a host."""
        return Installed()

    def problems(self, site: Site) -> Iterator[Problem]:
        """What is wrong about it in the whole site."""
        yield from ()

    def wrong_secrets(self, site: Site, known: Mapping[str, Secret]) -> Iterator[Problem]:
        """What is wrong about those secrets, by their names, that are known. No value is told."""
        yield from ()

    def notes(self, site: Site, host: str) -> Iterator[Problem]:
        """What the operator of a host should know before a deploy, though it stops nothing."""
        yield from ()

    def loaded(self, site: Site, directory: Path) -> Site:
        """The site with what the role reads from files and secrets, relative to ``directory``. Raises SiteError."""
        return site

    def networks(self, site: Site) -> Mapping[str, tuple[str, ...]]:
        """Networks by the names that ``Port.clients`` has for them: where it comes from."""
        return {self.name: site.cluster_addresses(self.name)} if self.named else {}

    def networks_of(self, site: Site, host: str) -> Mapping[str, tuple[str, ...]]:
        """The same for one host: fewer, where not every host has to do with all of them."""
        return self.networks(site)

    def gives(self, site: Site, host: str) -> Mapping[str, Mapping[str, Any]]:
        """What other roles of a host get from it: role -> derived settings. Tuples of several roles are joined."""
        return {}

    def asked(self, site: Site, stack: HostStack, own: S) -> Mapping[str, Any]:
        """Derived settings of preflight, by what it needs on a host. Tuples of several roles are joined."""
        return {}

    def scraped(self, site: Site, host: str) -> Iterable[Any]:
        """What Prometheus scrapes of it on a host: objects of ``roles/prometheus/settings.py``'s class Target."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStack:
    """The roles of one host: a field for each, None where it is not there."""

    host: str
    ports: tuple[Port, ...]  # the registry

    def of(self, settings: type[S]) -> S | None:
        """The settings of the role that has this class."""
        found = (getattr(self, f.name) for f in dataclasses.fields(self))
        return next((each for each in found if isinstance(each, settings)), None)

    def the(self, settings: type[S]) -> S:
        """The same, of a role that must be there. Raises LookupError."""
        if (found := self.of(settings)) is None:
            raise LookupError(f"{self.host} has no {settings.__module__}")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Site(Checked):
    """What an inventory describes. ``for_host(host)`` gives the settings of every role on one host."""

    roles: ClassVar[tuple[Role[Any], ...]] = ()
    stack: ClassVar[type[HostStack]] = HostStack

    hosts: Mapping[str, Host] = option(REQUIRED, "hosts by name, in the order of a deploy; the first is the canary")
    paths: Paths = option(Paths(), "where things go on the hosts")
    cluster_is_private: bool = option(
        False,
        "hosts may reach each other at public addresses: what goes between those is encrypted (IPsec in transport "
        "mode) or stays in a network of yours",
    )
    secrets: File = option("", "the encrypted secrets file; default: the inventory's name with .secrets")
    secrets_key: File = option("", "file with its key; default: ~/.config/livekit-metal/NAME.key")
    rollout: Rollout = option(Rollout(), "how a deploy goes through the hosts")
    trust: File = option("", "file with CAs (PEM) that daemons trust besides the system's: of stores, webhooks, Redis")
    load: Load = option(Load(), "what the site is to carry: preflight says where hosts fall short of it")

    name: str = derived("")
    vault: Vault | None = derived(None)
    trusted: str = derived("")  # what is in ``trust``
    lock: Path | None = derived(None)  # built artifacts' sums, see livekit_metal/runtime/artifacts/fetch.py
    ca_file: Path | None = derived(None)  # of the site's own CA or a private one, for its clients; None: they need none
    served: Mapping[str, Certificate] = derived({})  # by the edge of each host
    refresh: bool = derived(False)  # slots that run old code get a new process now
    words: tuple[Problem, ...] = derived(())  # what to do about the site's CA; a deploy goes on all the same
    particular: Mapping[str, Mapping[str, Any]] = derived({})  # host -> role -> settings, where some host has its own

    def of(self, settings: type[S], host: str = "") -> S:
        """The settings of the role that has this class, as the inventory has them: for all hosts, or for one."""
        name = next(role.name for role in self.roles if role.settings is settings)
        found: S = self.particular.get(host, {}).get(name) or getattr(self, name)
        return found

    def laying(self, role: str, host: str) -> bool:
        """Whether ``host`` has settings of its own for ``role`` that are not laid over the site's yet."""
        return role in self.hosts[host].settings and host not in self.particular

    def here(self, host: str) -> Site:
        """The site with the settings that ``host`` has of its own in place of everybody's."""
        return dataclasses.replace(self, **own) if (own := self.particular.get(host)) else self

    def having(self, own: Any) -> Site:
        """The site with other settings of one role."""
        name = next(role.name for role in self.roles if role.settings is type(own))
        return dataclasses.replace(self, **dict[str, Any]({name: own}))

    def with_role(self, role: str) -> tuple[str, ...]:
        """Names of the hosts that carry ``role``, in order."""
        return tuple(name for name, host in self.hosts.items() if role in host.roles)

    @property
    def callers(self) -> tuple[str, ...]:
        """The roles that need livekit-server through an edge."""
        return tuple(role.name for role in self.roles if role.caller)

    def calls(self, host: str) -> bool:
        """Whether a role of the host needs an edge."""
        return any(role in self.hosts[host].roles for role in self.callers)

    def cluster_addresses(self, role: str = "") -> tuple[str, ...]:
        """Those of the hosts with ``role``, or of all."""
        return tuple(self.hosts[name].cluster_address for name in (self.with_role(role) if role else self.hosts))

    def inside(self, host: str) -> str:
        """Where a host listens for the others of the site: on loopback while there are none."""
        return "127.0.0.1" if len(self.hosts) == 1 else self.hosts[host].cluster_address

    def given_to(self, role: str, host: str) -> dict[str, Any]:
        """Derived settings that a role of a host gets from the others."""
        return joined(each.gives(self, host).get(role, {}) for each in self.roles)

    @property
    def opened(self) -> Vault:
        """The secrets. Raises RuntimeError before the site is loaded."""
        if self.vault is None:
            raise RuntimeError("the site has no secrets yet: livekit_metal.site.loading.load() gives it some")
        return self.vault

    def for_host(self, name: str, *, refresh: bool = False) -> HostStack:
        """The settings of every role on a host. Raises KeyError for a host that is not in the site.

        ``refresh``: slots that run old code get a new process, or the deploy is refused.
        """
        site = dataclasses.replace(self.here(name), refresh=refresh or self.refresh)
        found = {role.name: role.on(site, name) for role in site.roles}
        here = [role for role in site.roles if found[role.name] is not None]
        ports = tuple(port for role in here for port in role.ports(found[role.name]))
        stack = site.stack(host=name, ports=ports, **found)
        return dataclasses.replace(stack, **{role.name: role.finished(site, stack, found[role.name]) for role in here})

    def ports(self, host: str) -> tuple[Port, ...]:
        """The registry of one host."""
        return self.for_host(host).ports

    @property
    def starting(self) -> tuple[Role[Any], ...]:
        """The roles in the order in which they start."""
        return tuple(sorted(self.roles, key=lambda role: role.rank))

    def installed(self, stack: HostStack) -> tuple[Installed, ...]:
        """What the roles of a host put on it."""
        found = ((role, getattr(stack, role.name)) for role in self.starting)
        return tuple(role.installed(self, stack, own) for role, own in found if own is not None)

    def problems(self, path: str) -> Iterator[Problem]:
        if not self.hosts:
            yield Problem("hosts", "is empty", "name at least one host")
            return
        for name in self.hosts:
            if said := name_problem(name):
                yield Problem(f"hosts.{name}", said, "use letters, digits, dots and dashes")
        yield from self._unknown_roles()
        yield from self._addresses()
        for role in self.roles:
            yield from role.problems(self)

    def _unknown_roles(self) -> Iterator[Problem]:
        known = [role.name for role in self.roles if role.named]
        for name, host in self.hosts.items():
            for i, role in enumerate(host.roles):
                if role not in known:
                    yield Problem(f"hosts.{name}.roles[{i}]", f"is {role!r}", f"choose one of {', '.join(known)}")

    def _addresses(self) -> Iterator[Problem]:
        for kind in ("address", "public_address", "ipv6", "cluster_address"):
            owners, where = dict[str, str](), kind.removesuffix("_address")
            for name, host in self.hosts.items():
                address = getattr(host, kind)
                if address and (first := owners.setdefault(address, name)) != name:
                    yield Problem(f"hosts.{name}.{where}", f"{address} is also that of {first}", "give each its own")
