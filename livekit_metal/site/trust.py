"""The CAs that every daemon of a site trusts besides those of its system, from the file that the site names."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.site.model import Site


def loaded(site: Site, directory: Path) -> Site:
    """``site`` with what its file ``trust`` has, which is found from ``directory``. Raises SiteError."""
    if not site.trust:
        return site
    from livekit_metal.vault import certificates  # noqa: PLC0415 - loads half of cryptography

    file = directory / Path(site.trust).expanduser()
    try:
        found = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not text"
        raise SiteError(
            [Problem("trust", f"{file}: {why}", "name a file with certificates that you may read")]
        ) from error
    if not certificates.readable(found) or "PRIVATE KEY" in found:
        fact = "has a private key in it" if "PRIVATE KEY" in found else "has no certificate in PEM"
        raise SiteError([Problem("trust", f"{file} {fact}", "write the certificates of CAs into it, and nothing else")])
    return dataclasses.replace(site, trusted=found.strip() + "\n")
