"""Everything livekit-metal puts on a host, for taking it off again: files outside our own directories, units, users."""

from __future__ import annotations

from dataclasses import dataclass

from livekit_metal.core.records import AUDIT_DIRECTORY
from livekit_metal.core.slots.decision import SEEING, SEES, SIGHT
from livekit_metal.roles.base.settings import PACKAGES, USERS
from livekit_metal.roles.firewall.settings import ROLLBACK, TABLE
from livekit_metal.roles.livekit.turn import REDIRECT_TABLE, REDIRECT_UNIT
from livekit_metal.site.model import HostStack, Site

_UNITS = "/etc/systemd/system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What is to go; ``package_record`` and ``user_record`` are files that list what base's packages brought."""

    units: tuple[str, ...]  # also stopped and disabled
    masked: tuple[str, ...]
    files: tuple[str, ...]
    directories: tuple[str, ...]
    users: tuple[str, ...]
    tables: tuple[str, ...]
    rollback: str
    package_record: str
    user_record: str
    parents: tuple[str, ...]  # directories of others that go if nothing is left in them


def footprint(site: Site, stack: HostStack) -> Footprint:
    """What is on one host. Drop-in directories go with their units."""
    found = site.installed(stack)
    # where UDP 443 was led to a slot until lately, that may still be there (roles/livekit/redirect.py)
    units = tuple(dict.fromkeys((*(unit for each in found for unit in each.units), REDIRECT_UNIT)))
    templates = dict.fromkeys(f"{u.partition('@')[0]}@.service" for u in units if "@" in u)
    sights = [f"{_UNITS}/{unit}.d/{SIGHT}" for unit in SEEING]
    unit_files = [f"{_UNITS}/{u}" for u in (*units, *templates)]
    files = tuple(file for each in found for file in each.files)
    return Footprint(
        units=units,
        masked=tuple(unit for each in found for unit in each.masked),
        files=(*unit_files, *sights, *files),
        directories=(
            *(f"{f}.d" for f in unit_files),
            site.paths.config,
            site.paths.releases,
            site.paths.state,
            AUDIT_DIRECTORY,
            *(directory for each in found for directory in each.directories),
        ),
        users=tuple(dict.fromkeys((*(user for each in found for user in each.users), SEES))),
        tables=(TABLE, REDIRECT_TABLE),
        rollback=ROLLBACK,
        package_record=f"{site.paths.config}/{PACKAGES}",
        user_record=f"{site.paths.config}/{USERS}",
        parents=(*(parent for each in found for parent in each.parents), *(s.rpartition("/")[0] for s in sights)),
    )
