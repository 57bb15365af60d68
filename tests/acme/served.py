"""What clients get from the edges, and what lies on hosts: looked at with OpenSSL."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from livekit_metal.site.model import Site
from tests.support.hosts.lab import over_ssh
from tests.support.programs.pebble import Pebble


@dataclass(frozen=True)
class Served:
    """A certificate that a client was shown and found good."""

    serial: str
    public: str  # its key
    names: frozenset[str]


def names_of(site: Site, host: str) -> Iterator[str]:
    """What clients ask the edge of ``host`` for."""
    yield from filter(None, (site.edge.domain, *site.edge.names, site.livekit.turn.name(host)))


def lead(pebble: Pebble, site: Site) -> None:
    """Its questions about the site's own name all go to the last host, whoever asks for a certificate."""
    for host, at in site.hosts.items():
        for name in names_of(site, host):
            pebble.leads(name, at.public_address)
    pebble.leads(site.edge.domain, site.hosts[list(site.hosts)[-1]].public_address)


def served(site: Site, host: str, name: str, root: Path) -> Served:
    """What ``host`` shows to who asks for ``name``, trusts ``root`` and nobody else, and looks closely."""
    to = f"{site.hosts[host].public_address}:{site.edge.https}"
    strict = ["-CAfile", str(root), "-no-CApath", "-verify_return_error", "-verify_hostname", name]
    command = ["openssl", "s_client", "-connect", to, "-servername", name, *strict]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, f"{host} as {name}: {done.stderr or done.stdout}"
    return Served(*(_of(done.stdout, *words) for words in (("-serial",), ("-pubkey",))), _names(done.stdout))


def _of(pem: str, *words: str) -> str:
    command = ["openssl", "x509", "-noout", *words]
    return subprocess.run(command, input=pem, capture_output=True, text=True, check=True).stdout.strip()


def _names(pem: str) -> frozenset[str]:
    words = _of(pem, "-ext", "subjectAltName").replace(",", " ").split()
    return frozenset(word.removeprefix("DNS:") for word in words if word.startswith("DNS:"))


def keys_on(host: str) -> dict[str, str]:
    """Public half of each private key on ``host`` -> where it lies."""
    look = "grep -lrs -e '-----BEGIN .*PRIVATE KEY' /etc/livekit-metal /var/lib/livekit-metal /tmp /run || :"
    files = over_ssh(host).check_output(look).splitlines()
    return {over_ssh(host).check_output("openssl pkey -pubout -in %s", file).strip(): file for file in files}
