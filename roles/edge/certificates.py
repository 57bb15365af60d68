"""Which certificate the edge of each host serves: the operator's files, or leaves of the site's own CA.

With ACME each host gets its own itself: roles/acme.

The CA's key and the leaves are in the vault: whoever has the secrets deploys the same ones, and a deploy that finds
nothing to do changes nothing. The CA's certificate is for everybody and lies beside the secrets.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.core.types.dns_names import is_domain
from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.edge import authority
from livekit_metal.roles.edge.services import Backend
from livekit_metal.roles.edge.settings import Settings
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.site.model import Site
from livekit_metal.vault.certificate import Certificate
from livekit_metal.vault.vault import Vault

# vault.certificates is imported where there is TLS: it loads half of cryptography, which takes longer than a site does

_AGAIN = "get a new one from your CA"


def names(site: Site, host: str) -> tuple[str, ...]:
    """The names by which clients ask the edge of ``host``."""
    turn = site.of(Livekit, host).turn.name(host) if "livekit" in site.hosts[host].roles else ""
    edge = site.of(Settings, host)
    wanted = (edge.domain, *edge.names, turn, *(name for each in edge.backends.values() for name in each.names))
    return tuple(dict.fromkeys(name.lower() for name in wanted if name))


def hosts(site: Site) -> tuple[str, ...]:
    """The hosts whose edges have clients: those of livekit-server, and all where some role has clients at any."""
    everywhere = any(role.at_every_edge and site.with_role(role.name) for role in site.roles)
    serving = site.with_role("livekit")
    return tuple(name for name in site.hosts if name in serving or (everywhere and site.calls(name)))


def problems(site: Site) -> Iterator[Problem]:
    """What is wrong with how the site's names lead to its edges and to TURN behind them."""
    turn, edge, serving = site.of(Livekit).turn, site.of(Settings), site.with_role("livekit")
    if not turn.domain:
        return
    path = "livekit.turn.domain"
    if not edge.encrypted and not edge.proxies:
        remedy = "set edge.tls, name the proxy of yours that speaks TLS for it in edge.proxies, or leave it empty"
        yield Problem(path, "is set and edge.tls is 'off'", remedy)
    elif edge.https_suffix:
        fact = f"clients are told port 443 for it, and edge.https is {edge.https}"
        yield Problem(path, fact, "leave edge.https at 443, or the domain empty")
    called = {host: site.of(Livekit, host).turn.name(host) for host in serving if not site.laying("livekit", host)}
    if (times := Counter(filter(None, called.values())).most_common(1)) and times[0][1] > 1:
        fact = f"{turn.domain!r} leads to {times[0][1]} hosts"
        why = "a relay on another host than its room is cut when that host drains"
        yield Problem(path, fact, f"write it with {{host}}, such as {{host}}.turn.example.org: {why}")
    for host, name in called.items():
        if not name:  # of a host without TURN over TLS
            continue
        if not is_domain(name):
            yield Problem(path, f"is {name!r} for {host}, which is not a name", f"rename hosts.{host}")
        if name in (edge.domain.lower(), *(n.lower() for n in edge.names)):
            yield Problem(
                path, f"{name!r} is also a name of the site", "give TURN one of its own: names tell them apart"
            )
        for key, backend in edge.backends.items():
            if name in (n.lower() for n in backend.names):
                remedy = "give TURN one of its own: names tell them apart"
                yield Problem(path, f"{name!r} is also a name of edge.backends.{key}", remedy)


def served(site: Site, vault: Vault, directory: Path, ca_file: Path) -> dict[str, Certificate]:
    """Host -> what its edge serves; empty with tls 'off' and 'acme'. Raises SiteError with all that is wrong.

    A CA of the site's own is exported to ``ca_file`` when the vault is saved.
    """
    now = time.time()
    if site.of(Settings).tls == "internal":
        ca = authority.signing(vault, site, now)
        vault.export(ca_file, authority.trusted(vault))
        return {host: _leaf(site, vault, host, ca, now) for host in hosts(site)}
    found: dict[str, Certificate] = {}
    problems: list[Problem] = []
    for host in hosts(site) if site.of(Settings).tls == "provided" else ():
        try:
            found[host] = _provided(site, host, directory, now)
        except SiteError as error:
            problems += error.problems
    if problems:
        raise SiteError(dict.fromkeys(problems))
    return found


def with_authorities(backends: Mapping[str, Backend], directory: Path) -> dict[str, Backend]:
    """The backends with what their ``ca_file`` holds. Raises SiteError with all that is wrong."""
    found, wrong = dict(backends), list[Problem]()
    for key, backend in backends.items():
        if not backend.ca_file:
            continue
        path = f"edge.backends.{key}.ca_file"
        try:
            ca, file = text(backend.ca_file, path, directory)
        except SiteError as error:
            wrong += error.problems
            continue
        from livekit_metal.vault import certificates  # noqa: PLC0415

        if not certificates.readable(ca):
            wrong.append(Problem(path, f"{file} has no certificate in PEM", "name the one of its CA"))
        found[key] = dataclasses.replace(backend, ca=ca)
    if wrong:
        raise SiteError(wrong)
    return found


def unsigned(site: Site, host: str) -> tuple[str, ...]:
    """What the certificate of ``host`` should be for, and the site's CA may not sign."""
    served = site.served.get(host) if site.of(Settings).tls == "internal" else None
    return tuple(name for name in _wanted(site, host) if not served.covers(name)) if served else ()


def _wanted(site: Site, host: str) -> tuple[str, ...]:
    at = site.hosts[host]
    return tuple(dict.fromkeys((*names(site, host), at.public_address, *filter(None, (at.ipv6,)), at.address)))


def _leaf(site: Site, vault: Vault, host: str, ca: Certificate, now: float) -> Certificate:
    from livekit_metal.vault import certificates  # noqa: PLC0415

    # a deploy is refused where what is left out is needed (preflight); here it would keep the CA from being rotated
    wanted = [name for name in _wanted(site, host) if certificates.permits(ca, name)] or ["none.invalid"]
    label, days = f"tls-{host}", site.of(Settings).certificate_days

    def renewed(old: Secret | None) -> Secret:
        if old and certificates.serves(_read(old), ca, wanted, days, now):
            return old
        return certificates.leaf(ca, label, wanted, days, now).pem

    return _read(vault.keep(label, renewed))


def _read(pem: Secret) -> Certificate:
    from livekit_metal.vault import certificates  # noqa: PLC0415

    return certificates.parse(pem.reveal(), pem)


def _provided(site: Site, host: str, directory: Path, now: float) -> Certificate:
    from livekit_metal.vault import certificates  # noqa: PLC0415

    edge = site.of(Settings)
    chain, file = text(edge.certificate.replace("{host}", host), "edge.certificate", directory)
    key, _ = text(edge.key.replace("{host}", host), "edge.key", directory)
    try:
        found = certificates.parse(chain, Secret(f"tls-{host}", key))
    except ValueError as error:
        fact, _, remedy = str(error).partition("; ")
        raise SiteError([Problem("edge.certificate", f"{file} {fact}", remedy)]) from error
    if wrong := tuple(_wrong(found, file, names(site, host), now)):
        raise SiteError(wrong)
    return found


def _wrong(found: Certificate, file: Path, wanted: tuple[str, ...], now: float) -> Iterator[Problem]:
    if found.not_after <= now:
        yield Problem("edge.certificate", f"{file} ended on {found.ends}", _AGAIN)
    if found.not_before > now:
        yield Problem("edge.certificate", f"{file} is not valid yet", "see this machine's clock, or wait")
    for name in wanted:
        if not found.covers(name):
            fact = f"{file} is not for {name} (it is for {', '.join(found.names) or 'no name'})"
            yield Problem("edge.certificate", fact, f"{_AGAIN} that names it too")


def text(name: str, path: str, directory: Path) -> tuple[str, Path]:
    """What the file has that the setting ``path`` names, and where it is. Raises SiteError."""
    file = directory / Path(name).expanduser()
    try:
        return file.read_text(), file
    except OSError as error:
        raise SiteError([Problem(path, f"{file}: {error.strerror}", "name a file that you may read")]) from error
    except UnicodeDecodeError as error:
        remedy = "write it as PEM (openssl x509, openssl pkey), a program as a script"
        raise SiteError([Problem(path, f"{file} is not text", remedy)]) from error
