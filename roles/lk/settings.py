"""Settings of lk. Upstream names: pkg/config/config.go of livekit-cli 2.16.4 (read)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from livekit_metal.core.fields import Checked, derived, option
from livekit_metal.core.types.secret import Secret
from livekit_metal.core.types.text import File
from livekit_metal.releases import catalogue

PROGRAM = "lk"
COMMAND = "/usr/local/bin/lk"
# where bash-completion looks besides /usr/share
COMPLETIONS = "/usr/local/share/bash-completion/completions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
    """LiveKit's command-line tool."""

    release: str = option("2.18.8", "version from livekit_metal/releases/releases.toml, or that of your own build")
    source: str = option("archive", "where the program comes from: archive, or file")
    file: File = option("", "path of your own build (source 'file')")
    sha256: str = option("", "its sha256 (source 'file')")

    api_keys: Mapping[str, Secret] = derived({})
    ws_url: str = derived("")  # of livekit-server, through the edge of the host
    config_root: str = derived("")
    release_root: str = derived("")
    lock_file: str = derived("")
    arch: str = derived("")

    def release_spec(self) -> catalogue.Release:
        """The release asked for. Raises SiteError when it is not known from that source, or known to be bad."""
        given = {"file": self.file, "sha256": self.sha256}
        return catalogue.find(PROGRAM, self.release, self.source, path=f"{PROGRAM}.release", **given)

    @property
    def releases(self) -> str:
        """The directory of its releases on a host."""
        return f"{self.release_root}/{PROGRAM}"

    @property
    def home(self) -> str:
        """$HOME of lk, which reads its configuration from nowhere else."""
        return f"{self.config_root}/{PROGRAM}"

    @property
    def context(self) -> str:
        """The file with URL and key: root's alone."""
        return f"{self.home}/.livekit/cli-config.yaml"
