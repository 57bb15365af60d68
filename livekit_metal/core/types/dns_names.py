"""Names in the DNS, as an inventory writes them."""

from __future__ import annotations

import re

# Labels of RFC 1123, two at least, the last no number: what livekit-server takes as turn.domain, browsers as a host.
_DOMAIN = re.compile(
    r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE | re.ASCII
)


def is_domain(text: str) -> bool:
    """Whether ``text`` is a name that certificates and URLs may carry."""
    return bool(_DOMAIN.fullmatch(text))
