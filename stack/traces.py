"""Everything livekit-metal puts on a host, for taking it off again: files outside our own directories, units, users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roles.base.settings import NEEDRESTART, PACKAGES, SYSUSERS, USERS
from roles.firewall.settings import ROLLBACK, TABLE
from roles.ingress.settings import CACHE as INGRESS_CACHE
from roles.kernel.settings import FILE as SYSCTLS
from roles.kernel.settings import MODULES
from stack.records import AUDIT_DIRECTORY
from stack.slots import SEEING, SEES, SIGHT

if TYPE_CHECKING:
    from stack.compose import Stack
    from stack.site import Site

_UNITS = "/etc/systemd/system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
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


def traces(site: Site, stack: Stack) -> Traces:
    """The traces of one host. Drop-in directories go with their units."""
    units = tuple(stack.base.daemons)
    templates = dict.fromkeys(f"{u.partition('@')[0]}@.service" for u in units if "@" in u)
    sights = [f"{_UNITS}/{unit}.d/{SIGHT}" for unit in SEEING]
    unit_files = [f"{_UNITS}/{u}" for u in (*units, *templates)]
    return Traces(
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
