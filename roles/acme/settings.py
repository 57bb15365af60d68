"""Settings of ACME."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, derived, nearest, option
from livekit_metal.core.slots.active import TALK, Active
from livekit_metal.core.types.dns_names import is_domain
from livekit_metal.core.types.secret import Secret
from livekit_metal.core.types.text import Endpoint, File, Variable, is_url
from livekit_metal.roles.acme.providers import EXEC, PROVIDERS, WITHOUT
from livekit_metal.vault.certificate import metric

UNIT = "livekit-acme.service"
TIMER = "livekit-acme.timer"
USER = "livekit-acme"
DIRECTORIES = {
    "letsencrypt": "https://acme-v02.api.letsencrypt.org/directory",
    "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}
_OURS = ("LEGO_CA_CERTIFICATES", "LEGO_PATH", "EXEC_PATH")  # variables that follow from other settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """Certificates by ACME (RFC 8555), for edge.tls 'acme'; lego gets them, on each host its own."""

    unit: ClassVar[str] = UNIT
    user: ClassVar[str] = USER

    email: str = option("", "address that the CA may write to; its account needs one")
    directory: str = option(
        "letsencrypt",
        f"CA: {', '.join(DIRECTORIES)}, or the URL of a CA's ACME directory; by using it you agree to its terms",
    )
    ca_file: File = option(
        "",
        "private CA: file with the certificates (PEM) that vouch for the directory, and for what it issues; "
        "relative paths start at the inventory",
    )
    challenge: Literal["http", "dns"] = option(
        "http",
        "how a CA is shown that the names are yours: http: it asks port 80 of any host that a name leads to; dns: by a "
        "record, which dns_provider writes",
    )
    names: tuple[str, ...] = option(
        (),
        "names in the certificates, when other than the host's own: wildcards (challenge dns); {host} is its name",
    )
    dns_provider: str = option(
        "", f"who writes the records, as lego calls it (`lego dnshelp`); {EXEC}: the program dns_hook does"
    )
    dns_hook: File = option(
        "",
        f"dns_provider {EXEC}: file with the program, called on hosts with `present` or `cleanup`, name and value of "
        "the record; relative paths start at the inventory",
    )
    dns_resolvers: tuple[Endpoint, ...] = option((), "name servers that lego asks (host:port), not the host's own")
    dns_wait: bool = option(True, "wait until every name server of the zone has the record, before the CA is told")
    environment: Mapping[Variable, str] = option({}, "variables for lego: its provider's, or HTTPS_PROXY")
    secrets: tuple[Variable, ...] = option(
        (), "names of more variables; the value of each is the password acme-NAME of the secrets"
    )

    wanted: bool = derived(False)  # here and now; what there was goes when it is not
    host_names: tuple[str, ...] = derived(())  # that clients ask the host for
    names_here: tuple[str, ...] = derived(())  # that its certificate is for
    account: Secret | None = derived(None)  # key of the site's account, PEM as lego reads it
    thumbprint: str = derived("")  # of that key: what answers challenges
    ca: str = derived("")  # what ca_file holds
    hook: str = derived("")  # what dns_hook holds
    values: Mapping[str, Secret] = derived({})  # of the variables in secrets
    served: str = derived("")  # the file that HAProxy reads
    metric_file: str = derived("")  # the same for the metric of its end
    group: str = derived("")  # HAProxy's
    edge_unit: str = derived("")
    active: Active = derived(Active())
    config_root: str = derived("")
    state_root: str = derived("")

    talk: ClassVar[str] = TALK
    metric: ClassVar[tuple[str, ...]] = metric("$ends")

    @property
    def url(self) -> str:
        """Of the ACME directory."""
        return DIRECTORIES.get(self.directory, self.directory)

    @property
    def request(self) -> str:
        """16 hex digits that change with what is asked of whom: the certificate in force carries them."""
        return hashlib.sha256("\n".join((self.url, *self.names_here)).encode()).hexdigest()[:16]

    @property
    def missing(self) -> tuple[str, ...]:
        """Passwords that nobody has stored yet."""
        return tuple(f"acme-{name}" for name in self.secrets if name not in self.values)

    @property
    def place(self) -> str:
        return f"{self.config_root}/acme"

    @property
    def script(self) -> str:
        return f"{self.place}/certificate.sh"

    @property
    def account_file(self) -> str:
        return f"{self.place}/account.pem"

    @property
    def environment_file(self) -> str:
        return f"{self.place}/environment"

    @property
    def ca_on_host(self) -> str:
        return f"{self.place}/ca.pem"

    @property
    def hook_on_host(self) -> str:
        return f"{self.place}/hook"

    @property
    def state(self) -> str:
        """What lego keeps."""
        return f"{self.state_root}/acme"

    @property
    def as_user(self) -> str:
        """Shell words before a command that goes to what lego keeps."""
        return f"setpriv --reuid={self.user} --regid={self.user} --clear-groups"

    @property
    def web(self) -> str:
        """Where lego puts what answers a challenge. Nobody reads it: HAProxy knows the answer."""
        return f"{self.state}/web"

    @property
    def again(self) -> str:
        """A file that asks for another certificate, whatever the age of this one; not where lego may write."""
        return f"{self.place}/again"

    @property
    def account_directory(self) -> str:
        """Where lego looks for the account: lego's own layout."""
        return f"{self.state}/accounts/{urlsplit(self.url).netloc.replace(':', '_')}/{self.email}"

    @property
    def got(self) -> str:
        """Where lego puts certificate and key, without .crt and .key."""
        return f"{self.state}/certificates/{self.names_here[0].replace('*', '_')}"

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment of lego."""
        own = {"LEGO_CA_CERTIFICATES": self.ca_on_host} if self.ca else {}
        own |= {"EXEC_PATH": self.hook_on_host} if self.hook else {}
        return {**self.environment, **{name: value.reveal() for name, value in self.values.items()}, **own}

    def problems(self, path: str) -> Iterator[Problem]:
        yield from self._ca(path)
        for i, name in enumerate(self.names):
            plain = name.replace("{host}", "host").removeprefix("*.")
            if not is_domain(plain):
                yield Problem(f"{path}.names[{i}]", f"{name!r} is not a name", "write one such as '*.turn.example.org'")
            elif name.startswith("*.") and self.challenge == "http":
                remedy = "set it to dns, or name every host: a CA gives wildcards for a record in the DNS only"
                yield Problem(f"{path}.names[{i}]", "is a wildcard and acme.challenge is 'http'", remedy)
        yield from self._dns(path)
        yield from self._variables(path)

    def _ca(self, path: str) -> Iterator[Problem]:
        if self.email and not re.fullmatch(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+", self.email):
            yield Problem(f"{path}.email", f"is {self.email!r}", "write an address such as ops@example.org")
        if "/" not in self.directory and self.directory not in DIRECTORIES:
            remedy = f"{nearest(self.directory, DIRECTORIES)} Or write the URL of its directory"
            yield Problem(f"{path}.directory", f"{self.directory!r} is not a CA known here", remedy)
        elif not is_url(self.url) or not re.fullmatch(r"https://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?", self.url):
            yield Problem(
                f"{path}.directory", f"is {self.url!r}", "write its URL: https://ca.example.org/acme/directory"
            )

    def _dns(self, path: str) -> Iterator[Problem]:
        if self.challenge == "http":
            for name in ("dns_provider", "dns_hook", "dns_resolvers"):
                if getattr(self, name):
                    fact = "is set and acme.challenge is 'http'"
                    yield Problem(f"{path}.{name}", fact, "set it to dns, or drop this")
            return
        if not self.dns_provider:
            yield Problem(f"{path}.dns_provider", "is missing", "say who writes the records: lego dnshelp")
        elif self.dns_provider in WITHOUT:
            fact = f"Debian's lego is built without {self.dns_provider!r}"
            yield Problem(f"{path}.dns_provider", fact, f"write its records by a program: {EXEC!r} and acme.dns_hook")
        elif self.dns_provider not in PROVIDERS:
            fact = f"lego knows no {self.dns_provider!r}"
            yield Problem(f"{path}.dns_provider", fact, nearest(self.dns_provider, PROVIDERS))
        if (self.dns_provider == EXEC) != bool(self.dns_hook):
            fact = "is set" if self.dns_hook else "is missing"
            remedy = f"name the program with the provider {EXEC!r}, and only with it"
            yield Problem(f"{path}.dns_hook", f"{fact} and acme.dns_provider is {self.dns_provider!r}", remedy)

    def _variables(self, path: str) -> Iterator[Problem]:
        for where, name in (*(("environment", n) for n in self.environment), *(("secrets", n) for n in self.secrets)):
            if name in _OURS:
                yield Problem(f"{path}.{where}", f"{name} follows from other settings", "drop it")
        for name in set(self.environment) & set(self.secrets):
            yield Problem(f"{path}.secrets", f"{name} is also in acme.environment", "drop one of them")
