"""An archive of packages on a lab host, with the label of Debian's security archive."""

from __future__ import annotations

from dataclasses import dataclass

from testinfra.host import Host

from livekit_metal.core import shell

NAME = "lkm-test"
# As dpkg replaces a library: the file under the old name is another one. HAProxy and Redis run on it.
WANTS_RESTART = (
    r"""for f in /usr/lib/*-linux-gnu/libssl.so.3; do cp -p "$f" "$f.dpkg-new"; mv -f "$f.dpkg-new" "$f"; done"""
)
# What the hook of Debian's kernel packages does.
WANTS_REBOOT = "touch /run/reboot-required; echo linux-image-test >>/run/reboot-required.pkgs"
BREAKS = "exit 1"

_SET_UP, _TAKE_AWAY, _OFFER = (shell.program(__file__, name) for name in ("set-up", "take-away", "offer"))


@dataclass(frozen=True)
class Archive:
    """That of one host."""

    host: Host

    def set_up(self) -> None:
        """With the first version, which is installed."""
        self.host.check_output("sh -c %s", _SET_UP)
        self.offer("1", ":")
        self.host.check_output(f"dpkg -i /srv/lkm-archive/{NAME}_1_all.deb")

    def offer(self, version: str, does: str) -> None:
        """``does`` is what its postinst runs."""
        self.host.check_output("sh -c %s sh %s %s", _OFFER, version, does)

    def take_away(self) -> None:
        self.host.run("sh -c %s", _TAKE_AWAY)

    @property
    def installed(self) -> str:
        """The version that dpkg has configured; '' when it has not come to an end."""
        said = self.host.run("dpkg-query -W -f '${db:Status-Abbrev} ${Version}' " + NAME).stdout.split()
        return str(said[1]) if said[:1] == ["ii"] else ""
