"""Whether a daemon serves on other hosts of the site, be they in this run or not: each is asked itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host

from livekit_metal.runtime.host.commands import HostError, read
from livekit_metal.runtime.slots.daemon import SlottedDaemon

# $1 the active file, $2 the component, $3 its unit with %s for the slot
_ASK = """s=$(sed -n "s/^$2 //p" "$1" 2>/dev/null); [ -n "$s" ] || { echo 'takes none'; exit; }
systemctl is-active "$(printf "$3" "$s")" || :"""


def need_another(host: Host, names: Sequence[str], each: SlottedDaemon[Any]) -> None:
    """Raises HostError when ``each`` serves on none of the hosts ``names``, of which there are some."""
    heard = []
    for name in names:
        said = _asked(host.inventory.get_host(name), each)
        if said == "active":
            return
        heard.append(f"{name}: {said}")
    if heard:
        raise HostError(
            f"{each.role}: no other host serves ({'; '.join(heard)}); without this one there would be none: say "
            "so with --data alone=yes"
        )


def _asked(other: Host, each: SlottedDaemon[Any]) -> str:
    try:
        other.connect(reason="to ask what serves there", show_errors=False, raise_exceptions=True)
        daemon = each.service()
        file, unit = daemon.change.active.file, daemon.unit.replace("{}", "%s")
        return read(other, _ASK, file, each.role, unit, timeout=20).strip() or "says nothing"
    except (ConnectError, HostError) as error:
        return str(error)
