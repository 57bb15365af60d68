"""Complete LiveKit on plain Linux hosts, deployed without dropping a call: a library for pyinfra.

What stands here is imported on use: the client that makes calls runs on hosts with a part of this package only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def load(site: Mapping[str, Any], file: str) -> list[tuple[str, dict[str, Any]]]:
    """pyinfra's hosts of a site: the last line of an inventory is ``hosts = load(site, __file__)``.

    Ends the program with every error of the site, before pyinfra connects anywhere.
    """
    from livekit_metal.site import inventory  # noqa: PLC0415

    return inventory.load(site, file)
