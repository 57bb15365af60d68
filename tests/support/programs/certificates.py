"""Certificates of a site's own CA that it would never make."""

from __future__ import annotations

import time

from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.livekit.settings import Settings as Livekit
from livekit_metal.site.model import Site
from livekit_metal.vault import certificates as made
from livekit_metal.vault.certificate import DAY

_DAYS = 30


def unfit(site: Site, host: str, *, expired: bool = False, without_turn: bool = False) -> str:
    """Key and chain as HAProxy reads them for ``host``: with all of its names, or not with that of TURN."""
    assert site.vault is not None
    ca = site.vault.keep("tls-ca", _there)
    names = [n for n in site.served[host].names if not (without_turn and n == site.of(Livekit).turn.name(host))]
    made_at = time.time() - 2 * _DAYS * DAY if expired else time.time()
    leaf = made.leaf(made.parse(ca.reveal(), ca), "tests", names, _DAYS, made_at)
    return leaf.pem.reveal()


def _there(found: Secret | None) -> Secret:
    assert found is not None, "the site has no CA of its own"
    return found
