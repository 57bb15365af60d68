"""nginx on a host: a site of its own, and LiveKit behind it as docs/proxies/nginx.conf has it."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

from livekit_metal.vault import certificates
from tests.support.programs.proxies import SITE, TURN, recipe

THEIRS = "shop.example.org"  # the site that was there before LiveKit
_LIVE = "/etc/letsencrypt/live"
# 8443 is theirs already; so the recipe's own port behind `stream` is another one.
_INNER = {"127.0.0.1:8443": "127.0.0.1:18443", "127.0.0.1:8444": "127.0.0.1:18444"}
_OWN = f"""
    server {{
        listen 80; listen 8443; listen [::]:8443;
        listen 127.0.0.1:18443 ssl proxy_protocol;
        server_name {THEIRS};
        ssl_certificate     {_LIVE}/{THEIRS}/fullchain.pem;
        ssl_certificate_key {_LIVE}/{THEIRS}/privkey.pem;
        return 200 "theirs\\n";
    }}
}}
"""


def nginx() -> str:
    """The whole of nginx.conf."""
    text = recipe("nginx.conf", _INNER)
    whole, last, rest = text.rstrip().rpartition("}")
    assert last
    assert not rest
    return whole.rstrip() + _OWN


def set_up(ca_file: Path) -> str:
    """Shell text that has nginx serve all of it; ``ca_file`` is written here: clients are to trust it."""
    ca = certificates.authority("tls-ca", "a private CA", time.time())
    ca_file.write_text(ca.chain)
    lines = []
    for name in (SITE, TURN, THEIRS):
        pem = shlex.quote(certificates.leaf(ca, f"tls-{name}", (name,), 30, time.time()).pem.reveal())
        lines += [
            f"mkdir -p {_LIVE}/{name}",
            f"printf %s {pem} >{_LIVE}/{name}/privkey.pem",
            f"cp {_LIVE}/{name}/privkey.pem {_LIVE}/{name}/fullchain.pem",
        ]
    return "\n".join([*lines, f"printf %s {shlex.quote(nginx())} >/etc/nginx/nginx.conf", "systemctl restart nginx\n"])
