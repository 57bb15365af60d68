"""Settings of base."""

from __future__ import annotations

import re
from dataclasses import dataclass

from livekit_metal.core.fields import Checked, derived, option
from livekit_metal.core.types.text import Package

SYSUSERS = "/etc/sysusers.d/livekit-metal.conf"
NEEDRESTART = "/etc/needrestart/conf.d/livekit-metal.conf"
PACKAGES = "packages"  # below paths.config: the packages that base installed, with what they brought along
USERS = "users"  # beside it: the system users that they made
FINGERPRINT = "fingerprint"  # below paths.config: whose secrets the host was deployed with
SERIAL = "serial"  # beside it: how far they had come


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
