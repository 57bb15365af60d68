"""Settings of base."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, derived, option
from livekit_metal.core.types.duration import Duration
from livekit_metal.core.types.text import Package

SYSUSERS = "/etc/sysusers.d/livekit-metal.conf"
JOURNALD = "/etc/systemd/journald.conf.d/60-livekit-metal.conf"
NEEDRESTART = "/etc/needrestart/conf.d/livekit-metal.conf"
PACKAGES = "packages"  # below paths.config: the packages that base installed, with what they brought along
USERS = "users"  # beside it: the system users that they made
FINGERPRINT = "fingerprint"  # below paths.config: whose secrets the host was deployed with
SERIAL = "serial"  # beside it: how far they had come
_LEAST_MB, _LEAST_AGE = 128, Duration(86400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal(Checked):
    """How much the journal keeps (journald.conf(5)), of everything on the host. 0: as the host has it."""

    max_mb: int = option(
        0, "megabytes of the journal (SystemMaxUse=); 0: journald's own tenth of the file system, 4 GB at most"
    )
    max_age: Duration = option(
        Duration(0), "after so long entries are deleted, such as 30d (MaxRetentionSec=); 0: when there is no room"
    )

    @property
    def limited(self) -> bool:
        return bool(self.max_mb or self.max_age)

    def problems(self, path: str) -> Iterator[Problem]:
        if self.max_mb < 0 or 0 < self.max_mb < _LEAST_MB:
            remedy = f"give it {_LEAST_MB} or more: journald keeps whole files, and incidents need days"
            yield Problem(f"{path}.max_mb", f"is {self.max_mb}", remedy)
        if 0 < self.max_age < _LEAST_AGE:
            yield Problem(f"{path}.max_age", f"is {self.max_age}", "give it 1d or more: incidents are read afterwards")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """Packages, users and time."""

    packages: tuple[Package, ...] = option((), "further Debian packages for every host")
    time_sync: bool = option(True, "install and run systemd-timesyncd where no time service is active")
    refresh_slots: bool = option(
        False,
        "a deploy gives a new process to slots whose libraries an update has replaced, while a slot is empty for it; "
        "without it only with --data refresh=yes",
    )

    journal: Journal = option(Journal(), "how much the journal keeps")

    needed: tuple[str, ...] = derived(())  # packages of the roles on this host
    masked: tuple[str, ...] = derived(())  # stock units of those packages: ours take their place
    daemons: tuple[str, ...] = derived(())  # our units, which needrestart must leave alone
    users: tuple[str, ...] = derived(())
    fingerprint: str = derived("")  # of the secrets file
    config_root: str = derived("")
    release_root: str = derived("")
    state_root: str = derived("")

    @property
    def fingerprint_file(self) -> str:
        return f"{self.config_root}/{FINGERPRINT}"

    @property
    def serial_file(self) -> str:
        return f"{self.config_root}/{SERIAL}"

    @property
    def package_record(self) -> str:
        return f"{self.config_root}/{PACKAGES}"

    @property
    def user_record(self) -> str:
        return f"{self.config_root}/{USERS}"

    @staticmethod
    def quoted(unit: str) -> str:
        """A unit's name for a Perl regular expression; a bare @ would begin an array there."""
        return re.escape(unit).replace("@", "\\@")
