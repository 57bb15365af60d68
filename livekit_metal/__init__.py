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


def configure() -> None:
    """What holds for every run of pyinfra on a site: the only line of a ``config.py``, which pyinfra reads first."""
    from pyinfra import config  # noqa: PLC0415

    from livekit_metal.runtime.run import pyinfra_patches  # noqa: PLC0415

    config.REQUIRE_PYINFRA_VERSION = ">=3.10,<4"
    config.FAIL_PERCENT = 0  # one failed host stops the rest
    config.PARALLEL = 64  # above the number of hosts: a full pool would make Ctrl-C wait for running commands
    pyinfra_patches.install()


def deploy(site: Any = None, **arguments: Any) -> None:
    """A pyinfra deploy of everything that ``site`` says; by default the site of the inventory of this run.

    ``site`` is a :class:`livekit_metal.site.model.Site`, ``arguments`` are pyinfra's global ones (``_sudo`` and so on).
    Raises PyinfraError where :func:`configure` was not called.
    """
    from livekit_metal.deployment import whole  # noqa: PLC0415

    whole(site, **arguments)
