"""A host of Debian 13 with programs that Ubuntu 26.04 has: uutils' in place of GNU's, sudo-rs in place of sudo.

They are put where the others are, as Ubuntu's packages do it: the former ones are diverted, a link has the name.
"""

from __future__ import annotations

import pytest
import testinfra
from testinfra.host import Host

from lab import state
from tests.support.hosts.lab import INVENTORY

FACTS = state.facts()
FIRST = next(iter(FACTS["hosts"]))
# Names that only uutils has (hashsum, sha3sum) stay out. From the first ln on there is none of GNU's.
SET_UP = r"""set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -q update; apt-get -q -y --no-install-recommends install rust-coreutils sudo-rs
cargo=/usr/lib/cargo/bin
place() { # new, where
  [ "$(readlink "$2")" != "$1" ] || return 0
  dpkg-divert --quiet --local --rename --divert "$2.before" --add "$2"
  "$cargo/coreutils/ln" -s "$1" "$2"
}
for path in $(dpkg -L coreutils | grep -E '^/usr/s?bin/.'); do
  ! [ -e "$cargo/coreutils/${path##*/}" ] || place "$cargo/coreutils/${path##*/}" "$path"
done
# Debian's valkey-tools asks for mkdir -pZ, which came after 0.0.30 (uutils/coreutils#7635)
cat >/usr/local/lib/mkdir <<'MKDIR'
#!/bin/sh
[ "${1-}" != -pZ ] || { shift; set -- -p "$@"; }
exec /usr/lib/cargo/bin/coreutils/mkdir "$@"
MKDIR
chmod 755 /usr/local/lib/mkdir
ln -sf /usr/local/lib/mkdir /usr/bin/mkdir
place $cargo/sudo /usr/bin/sudo
place $cargo/visudo /usr/sbin/visudo
"""


def pytest_report_header() -> str:
    return f"host: {FIRST}, site: {INVENTORY}"


@pytest.fixture(scope="session")
def host() -> Host:
    """The host, with those programs."""
    reached = testinfra.get_host(f"ssh://root@{FIRST}", ssh_config=f"{FACTS['directory']}/ssh_config")
    reached.check_output("sh -c %s", SET_UP)
    return reached
