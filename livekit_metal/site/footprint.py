"""Everything livekit-metal puts on a host, for taking it off again: files outside our own directories, units, users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from livekit_metal.core.records import AUDIT_DIRECTORY
from livekit_metal.core.slot_decision import SEEING, SEES, SIGHT
from livekit_metal.roles.base.settings import NEEDRESTART, PACKAGES, SYSUSERS, USERS
from livekit_metal.roles.firewall.settings import ROLLBACK, TABLE
from livekit_metal.roles.ingress.settings import CACHE as INGRESS_CACHE
from livekit_metal.roles.kernel.settings import FILE as SYSCTLS
from livekit_metal.roles.kernel.settings import MODULES

if TYPE_CHECKING:
    from livekit_metal.site.model import Site
    from livekit_metal.site.wiring.host_stack import HostStack

_UNITS = "/etc/systemd/system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What is to go; ``package_record`` and ``user_record`` are files that list what base's packages brought."""

    units: tuple[str, ...]  # also stopped and disabled
    masked: tuple[str, ...]
    files: tuple[str, ...]
    directories: tuple[str, ...]
    users: tuple[str, ...]
    table: str
    rollback: str
    package_record: str
    user_record: str
    parents: tuple[str, ...]  # directories of others that go if nothing is left in them


def footprint(site: Site, stack: HostStack) -> Footprint:
    """The traces of one host. Drop-in directories go with their units."""
    units = tuple(stack.base.daemons)
    templates = dict.fromkeys(f"{u.partition('@')[0]}@.service" for u in units if "@" in u)
    sights = [f"{_UNITS}/{unit}.d/{SIGHT}" for unit in SEEING]
    unit_files = [f"{_UNITS}/{u}" for u in (*units, *templates)]
    return Footprint(
        units=units,
        masked=stack.base.masked,
        files=(*unit_files, *sights, SYSCTLS, MODULES, NEEDRESTART, SYSUSERS),
        directories=(
            *(f"{f}.d" for f in unit_files),
            site.paths.config,
            site.paths.releases,
            site.paths.state,
            AUDIT_DIRECTORY,
            *((INGRESS_CACHE,) if stack.ingress else ()),
        ),
        users=tuple(dict.fromkeys((*stack.base.users, SEES))),
        table=TABLE,
        rollback=ROLLBACK,
        package_record=f"{site.paths.config}/{PACKAGES}",
        user_record=f"{site.paths.config}/{USERS}",
        parents=(_parent(NEEDRESTART), _parent(_parent(NEEDRESTART)), _parent(SYSUSERS), *map(_parent, sights)),
    )


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
