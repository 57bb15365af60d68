"""What a site's hosts are told about ACME: which names, whose account, what answers a challenge.

The account is the site's: its key is in the vault, and every edge knows what answers a challenge for it. The keys of
certificates are made on hosts and stay there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.acme.settings import Settings as Acme
from livekit_metal.roles.edge import certificates as tls
from livekit_metal.roles.edge.backends import Acme as EdgeAcme
from livekit_metal.roles.edge.settings import UNIT as EDGE_UNIT
from livekit_metal.roles.edge.settings import Settings as Edge
from livekit_metal.site.model import Site
from livekit_metal.vault.certificate import Certificate
from livekit_metal.vault.vault import Vault

_ACCOUNT = "tls-acme-account"
_ASKED = 80  # where a CA asks (RFC 8555, 8.3)


def problems(site: Site) -> Iterator[Problem]:
    """What is wrong with how the site gets its certificates."""
    edge, acme = site.of(Edge), site.of(Acme)
    if edge.tls != "acme":
        return
    if not acme.email:
        yield Problem("acme.email", "is missing", "give the address that the CA may write to: its account needs one")
    if not edge.domain:
        yield Problem("edge.domain", "is missing", "give the name that the certificate is for")
    if acme.challenge == "http" and edge.redirect.first != _ASKED:
        remedy = f"leave it at {_ASKED}, or set acme.challenge to dns"
        yield Problem("edge.redirect", f"is {edge.redirect}, and a CA asks port {_ASKED}", remedy)
    for host in tls.hosts(site):
        known = Certificate("", Secret("", ""), names(site, host), 0, 0)
        for name in tls.names(site, host):
            if not known.covers(name):
                yield Problem("acme.names", f"none is for {name} ({host})", "add it, or leave acme.names empty")


def names(site: Site, host: str) -> tuple[str, ...]:
    """The names in the certificate of ``host``."""
    chosen = (name.replace("{host}", host).lower() for name in site.of(Acme).names)
    return tuple(dict.fromkeys(chosen)) or tls.names(site, host)


def completed(site: Site, vault: Vault, directory: Path) -> Acme:
    """The site's settings with the account and what the files hold. Raises SiteError with all that is wrong."""
    acme, found, wrong = site.of(Acme), dict[str, str](), list[Problem]()
    if site.of(Edge).tls != "acme":
        return acme
    for field, file, path in (("ca", acme.ca_file, "acme.ca_file"), ("hook", acme.dns_hook, "acme.dns_hook")):
        try:
            found[field] = tls.text(file, path, directory)[0] if file else ""
        except SiteError as error:
            wrong += error.problems
    from livekit_metal.vault import certificates  # noqa: PLC0415

    if found.get("ca") and not certificates.readable(found["ca"]):
        wrong.append(Problem("acme.ca_file", f"{acme.ca_file} has no certificate in PEM", "name the one of your CA"))
    if wrong:
        raise SiteError(wrong)
    key = vault.keep(_ACCOUNT, lambda old: old or certificates.account_key(_ACCOUNT))
    values = {name: vault.passwords(f"acme-{name}")[0] for name in acme.secrets if vault.knows(f"acme-{name}")}
    filled = dataclasses.replace(acme, ca=found["ca"], hook=found["hook"], values=values)
    return dataclasses.replace(filled, account=certificates.for_lego(key), thumbprint=certificates.thumbprint(key))


def another_account(vault: Vault) -> None:
    """Give the site another account: the next deploy brings it to all hosts. Raises SiteError when it has none."""
    from livekit_metal.vault import certificates  # noqa: PLC0415

    def another(old: Secret | None) -> Secret:
        if old is None:
            raise SiteError([Problem("acme", "the site has no account yet", "set edge.tls to acme and deploy")])
        return certificates.account_key(_ACCOUNT)

    vault.keep(_ACCOUNT, another)


def trusted(site: Site, directory: Path) -> Path | None:
    """The file that clients of a site with a private CA trust."""
    return directory / Path(site.of(Acme).ca_file).expanduser() if site.of(Acme).ca_file else None


def at_edge(site: Site) -> EdgeAcme:
    """What edges answer and serve."""
    over_http = site.of(Acme).challenge == "http"
    return EdgeAcme(config_root=site.paths.config, thumbprint=site.of(Acme).thumbprint if over_http else "")


def on(site: Site, host: str, edge: Edge) -> Acme:
    """The settings on one host, whose edge is ``edge``."""
    here, there = tls.names(site, host), at_edge(site)
    return dataclasses.replace(
        site.of(Acme),
        wanted=edge.tls == "acme" and edge.serves_tls,
        host_names=here,
        names_here=names(site, host),
        served=there.file,
        metric_file=there.metric_file,
        group=edge.user,
        edge_unit=EDGE_UNIT,
        active=edge.active,
        config_root=site.paths.config,
        state_root=site.paths.state,
    )
