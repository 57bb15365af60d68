"""What is kept of addresses that change (``hosts.NAME.public: discover``): a file beside the secrets, host -> address.

Whoever has the inventory reads it, so status, doctor and calls mean the same address as the last deploy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from livekit_metal.core import atomic_file
from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.core.types.text import is_address

DISCOVER = "discover"
_AGAIN = "remove it: the next deploy finds them again"


def discovering(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The hosts whose address is to be found, in an inventory that nobody has checked yet."""
    hosts = data.get("hosts")
    found = hosts.items() if isinstance(hosts, Mapping) else ()
    return tuple(str(name) for name, at in found if isinstance(at, Mapping) and at.get("public") == DISCOVER)


def filled(data: Mapping[str, Any], known: Mapping[str, str]) -> Mapping[str, Any]:
    """``data`` with the addresses that are known. Where none is, or no NAT is between, a host has its own alone."""
    if not (names := discovering(data)):
        return data
    hosts = dict(data["hosts"])
    for name in names:
        own = {key: value for key, value in hosts[name].items() if key != "public"}
        public = known.get(name, "")
        if public in ("", own.get("address")):
            own.pop("inside", None)
        hosts[name] = own | {"public": public}
    return {**data, "hosts": hosts}


def file(secrets: Path) -> Path:
    """Where they are kept."""
    return secrets.with_suffix(".addresses")


def kept(secrets: Path) -> dict[str, str]:
    """What earlier deploys have found, by host. Raises SiteError when the file is none of ours."""
    path = file(secrets)
    if (text := atomic_file.read(path)) is None:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(at, str) and is_address(at) for at in found.values()):
        raise SiteError([Problem(str(path), "has no addresses of hosts in it", _AGAIN)])
    return found


def keep(secrets: Path, found: Mapping[str, str]) -> None:
    """Add what a deploy has found. Raises SiteError when somebody else writes it, too."""
    path = file(secrets)
    was = atomic_file.read(path)
    known = kept(secrets) | dict(found)
    atomic_file.replace(path, f"{json.dumps(known, indent=1, sort_keys=True)}\n".encode(), was=was, mode=0o644)
