"""How this machine reaches Debian's archive, so that apt inside a host reaches it the same way."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.run import LabError, run, step

RELEASES = ("bookworm", "trixie")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

_SUITES = ("", "-updates", "-security")
_COPIED = re.compile(r"Acquire::(https?|Retries|ForceIPv[46]|Check-Date|Check-Valid-Until)\b")


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """One suite of the archive: ``suite`` is "", "-updates" or "-security"."""

    suite: str
    uri: str
    components: tuple[str, ...]


def parse_targets(text: str, codename: str) -> tuple[Source, ...]:
    """The Debian suites in ``apt-get indextargets`` output: lines of uri, codename, origin, component."""
    found: dict[tuple[str, str], set[str]] = {}
    for line in text.splitlines():
        uri, suite, origin, component = line.split("\t")
        kind = suite.removeprefix(codename)
        if origin == "Debian" and suite.startswith(codename) and kind in _SUITES:
            found.setdefault((kind, uri), set()).add(component)
    return tuple(sorted(Source(kind, uri, tuple(sorted(parts))) for (kind, uri), parts in found.items()))


def outer_sources() -> tuple[Source, ...]:
    """The suites this machine installs from. Raises LabError when there is no Debian archive among them."""
    codename = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.M)
    fields = "$(REPO_URI)\t$(CODENAME)\t$(ORIGIN)\t$(COMPONENT)"
    listing = ("apt-get", "indextargets", "--format", fields, "Created-By: Packages")
    sources = parse_targets(run(*listing), codename[1] if codename else "?")
    if not any(source.suite == "" for source in sources):
        with step("apt-get update (apt knows no package lists yet)"):
            run("apt-get", "update")
        sources = parse_targets(run(*listing), codename[1] if codename else "?")
    if not any(source.suite == "" for source in sources):
        raise LabError(
            "/etc/apt/sources.list.d",
            "apt on this machine has no Debian archive for its own release",
            "run the lab on Debian 12 or newer with its archive configured",
        )
    return sources


def sources_file(sources: Iterable[Source], release: str) -> str:
    """The same archive for another Debian release, in deb822 form."""
    parts = [
        f"Types: deb\nURIs: {source.uri}\nSuites: {release}{source.suite}\n"
        f"Components: {' '.join(source.components)}\nSigned-By: {KEYRING}\n"
        for source in sources
    ]
    return "\n".join(parts)


def apt_conf(dump: str, environ: Mapping[str, str]) -> str:
    """What ``apt-config dump`` says about reaching the archive, or else the environment's proxies."""
    lines = [line for line in dump.splitlines() if _COPIED.match(line) and not line.endswith(' "";')]
    for scheme in ("http", "https"):
        proxy = environ.get(f"{scheme}_proxy") or environ.get(f"{scheme.upper()}_PROXY")
        if proxy and not any(line.startswith(f"Acquire::{scheme}::Proxy ") for line in lines):
            lines.append(f'Acquire::{scheme}::Proxy "{proxy}";')
    return "".join(f"{line}\n" for line in lines)


def outer_apt_conf() -> str:
    return apt_conf(run("apt-config", "dump"), os.environ)


def outer_auth() -> dict[str, str]:
    """File name -> text of apt's credentials (each belongs into auth.conf.d, 0600)."""
    files = [Path("/etc/apt/auth.conf"), *sorted(Path("/etc/apt/auth.conf.d").glob("*.conf"))]
    return {file.name: file.read_text() for file in files if file.is_file()}


def outer_authorities() -> dict[str, str]:
    """File name -> PEM of the certificate authorities that this machine trusts beyond Debian's own."""
    files = sorted(Path("/usr/local/share/ca-certificates").glob("*.crt"))
    return {file.name: file.read_text() for file in files}


def nameservers(texts: Iterable[str]) -> tuple[str, ...]:
    """The first resolv.conf among ``texts`` whose servers a host can reach too (none on loopback)."""
    for text in texts:
        found = tuple(re.findall(r"^nameserver\s+(\S+)", text, re.M))
        if found and not any(server.startswith("127.") or server == "::1" for server in found):
            return found
    return ()


def outer_nameservers() -> tuple[str, ...]:
    """Raises LabError when this machine resolves names over loopback only."""
    files = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
    servers = nameservers(file.read_text() for file in files if file.is_file())
    if not servers:
        raise LabError(
            "/etc/resolv.conf",
            "has no nameserver, or one on loopback that the hosts of the lab cannot reach",
            "name one that they can",
        )
    return servers
