"""The site's own CA, with edge.tls 'internal': made, handed to clients, followed by another one.

A client trusts what it was told to, so a new CA comes in three steps, and no client is refused between them. *rotate*:
the file for clients has both, edges go on with certificates of the old one. When clients have the file, *retire*:
certificates come from the new one; the key of the old one is gone. The file keeps its certificate, as a host that is
not deployed yet serves what it signed, until *retire* is asked for once more.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.edge.settings import Settings
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.roles.livekit.turn import HOST
from livekit_metal.site.model import Site
from livekit_metal.vault.certificate import Certificate, day
from livekit_metal.vault.union import CA
from livekit_metal.vault.vault import Vault

# vault.certificates is imported where there is TLS: it loads half of cryptography, which takes longer than a site does

_NEXT, _FORMER = "tls-ca-next", "tls-ca-former"
_VERB = "python -m procedures.secrets INVENTORY"


def file(vault: Vault) -> Path:
    """Where what clients are to trust lies: beside the secrets."""
    return vault.path.with_suffix(".ca.pem")


def names(site: Site) -> tuple[str, ...]:
    """What a CA of ``site`` may sign for, and everything below: its names, and the addresses of its hosts."""
    edge = site.of(Settings)
    # hosts come and go: whatever stands for one
    parent = site.of(Livekit).turn.domain.partition(HOST)[2].partition(".")[2]
    own = () if parent and not site.particular else (site.of(Livekit, host).turn.name(host) for host in site.hosts)
    backends = [each for at in (edge, *(site.of(Settings, h) for h in site.hosts)) for each in at.backends.values()]
    others = (name for each in backends for name in each.names)
    called = (edge.domain, *edge.names, *others, *([parent] if parent else ()), *own)
    reached = (a for host in site.hosts.values() for a in (host.public_address, host.ipv6, host.address))
    return tuple(dict.fromkeys(name.lower().removeprefix("*.") for name in (*called, *reached) if name))


def signing(vault: Vault, site: Site, now: float) -> Certificate:
    """The CA that certificates of edges come from; a new one where there is none."""
    return _read(vault.keep(CA, lambda old: old or _made(CA, site, f"livekit-metal CA of {site.name}", now)))


def trusted(vault: Vault) -> str:
    """The certificates (PEM) that clients are to trust. Raises SiteError when the site has no CA of its own."""
    current, coming, former = (vault.kept(name) for name in (CA, _NEXT, _FORMER))
    if current is None:
        fact, remedy = "the site has no CA of its own", "set edge.tls to internal and deploy"
        raise SiteError([Problem("edge.tls", fact, remedy)])
    chains = [_read(each).chain for each in (current, coming) if each]
    return "".join((*chains, former.reveal() if former else ""))


def rotate(vault: Vault, site: Site) -> None:
    """Have clients trust a new CA besides. Raises SiteError when there is none yet, or two already."""
    trusted(vault)
    if vault.kept(_NEXT) or vault.kept(_FORMER):
        raise SiteError(words(vault))
    now = time.time()
    vault.keep(_NEXT, lambda _: _made(_NEXT, site, f"livekit-metal CA of {site.name}, {day(now)}", now))
    vault.export(file(vault), trusted(vault))


def retire(vault: Vault) -> str:
    """End the old CA: first its signing, then the trust in it; what has been done. Raises SiteError without two."""
    trusted(vault)
    if coming := vault.kept(_NEXT):
        former = Secret(_FORMER, _read(vault.drop(CA)).chain)
        vault.drop(_NEXT)
        vault.keep(CA, lambda _: Secret(CA, coming.reveal()))
        vault.keep(_FORMER, lambda _: former)
        told = "certificates come from the new CA with the next deploy; the key of the old one is gone"
    elif vault.kept(_FORMER):
        vault.drop(_FORMER)
        told = f"{file(vault)} has the new CA alone; clients that take it trust the old one no longer"
    else:
        raise SiteError([Problem("edge.tls", "the site has one CA", f"make another first: {_VERB} rotate ca")])
    vault.export(file(vault), trusted(vault))
    return told


def words(vault: Vault) -> Iterator[Problem]:
    """What an operator should do about the CA; none of it stops a deploy."""
    from livekit_metal.vault import certificates  # noqa: PLC0415

    if vault.kept(_NEXT):
        remedy = f"when all clients trust {file(vault)}: {_VERB} retire ca, and deploy"
        yield Problem("edge.tls", "a new CA is trusted besides, and signs nothing yet", remedy)
    elif vault.kept(_FORMER):
        remedy = f"when every host has been deployed: {_VERB} retire ca, and give clients the file"
        yield Problem("edge.tls", f"{file(vault)} still has the previous CA", remedy)
    elif (found := vault.kept(CA)) and not certificates.constrained(_read(found)):
        fact = "whoever gets the key of the site's CA signs any name with it (an earlier version made it)"
        yield Problem("edge.tls", fact, f"make one that signs for this site alone: {_VERB} rotate ca")


def _made(label: str, site: Site, name: str, now: float) -> Secret:
    from livekit_metal.vault import certificates  # noqa: PLC0415

    return certificates.authority(label, name, now, names(site)).pem


def _read(pem: Secret) -> Certificate:
    from livekit_metal.vault import certificates  # noqa: PLC0415

    return certificates.parse(pem.reveal(), pem)
