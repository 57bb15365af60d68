"""Stand-ins for what actions ask of a host's system: shell programs that keep in $NOTES what they were told.

They keep the part of the contract that actions rely on: ExecCondition= and ActiveState of systemctl(1), timers of
systemd-run(1), tables of nft(8), and apt, dpkg and accounts as far as a removal goes.
"""

from __future__ import annotations

from pathlib import Path

# $NOTES/units/UNIT says what a unit does, UNIT.busy that it stays when it is told to end (--no-block), UNIT.broken that
# it cannot be started. An instance's ExecCondition= is that of its template.
_SYSTEMCTL = r"""#!/bin/sh
printf '%s\n' "$*" >>"$NOTES/systemctl"
mkdir -p "$NOTES/units"; cd "$NOTES/units" || exit
verb= units= now= block=yes value=
for w; do case $w in
  --now) now=yes ;; --no-block) block= ;; -p | ActiveState | --value | -q) ;;
  *) if [ -n "$verb" ]; then units="$units $w"; else verb=$w; fi ;;
esac; done
state() { cat "$1" 2>/dev/null || echo inactive; }
stop() {
  # what is waited for takes until the deadline of its drain
  [ -z "$block" ] || [ ! -e "/run/systemd/system/$1.d/90-livekit-metal-drain.conf" ] || echo "$1" >>"$NOTES/waited"
  if [ -z "$block" ] && [ -e "$1.busy" ]; then echo deactivating >"$1"; else echo inactive >"$1"; fi
}
begin() {
  [ ! -e "$1.broken" ] || { echo failed >"$1"; echo "Job for $1 failed." >&2; exit 1; }
  i=${1#*@}; i=${i%.service}
  condition=$(sed -n "s/^ExecCondition=//p" "/etc/systemd/system/${1%%@*}@.service" 2>/dev/null | sed "s/%i/$i/g")
  eval "${condition:-:}" || return 0  # it stays as it is, and that is no error
  echo active >"$1"
}
set -f
for u in $units; do case $verb in
  start | restart) begin "$u" ;;
  stop) stop "$u" ;;
  enable) : >"$u.enabled" ;;
  disable) rm -f "$u.enabled"; [ -z "$now" ] || stop "$u" ;;
  is-active) s=$(state "$u"); [ "$s" = active ] || exit 3 ;;
  show) state "$u" ;;
esac; done
"""
# The command of a timer stays in $NOTES/units/NAME.command until a test runs it.
_SYSTEMD_RUN = r"""#!/bin/sh
printf '%s\n' "$*" >>"$NOTES/systemd-run"
mkdir -p "$NOTES/units"; name=
while case ${1-} in -*) true ;; *) false ;; esac; do
  case $1 in --unit=*) name=${1#--unit=} ;; esac
  shift
done
[ ! -e "$NOTES/units/$name.command" ] || { echo "Unit $name.timer was already loaded" >&2; exit 1; }
printf '%s\n' "$*" >"$NOTES/units/$name.command"; echo active >"$NOTES/units/$name.timer"
"""
_JOURNALCTL = '#!/bin/sh\nprintf \'%s\\n\' "$*" >>"$NOTES/journalctl"; echo "the last words"\n'
_NFT = r"""#!/bin/sh
printf '%s\n' "$*" >>"$NOTES/nft"; touch "$NOTES/tables"
case "$1 $2" in
  "list tables") sed 's/^/table inet /' "$NOTES/tables" ;;
  "delete table") grep -qx "$4" "$NOTES/tables" || { echo "no such table: $4" >&2; exit 1; }
    sed -i "/^$4\$/d" "$NOTES/tables" ;;
esac
"""
# $NOTES/packages: a line for each that is installed, and behind it those that go with it (they need it).
_DPKG_QUERY = r"""#!/bin/sh
shift 2
for p; do grep -q "^$p\( \|\$\)" "$NOTES/packages" && echo "$p ii "; done
"""
_APT_GET = r"""#!/bin/sh
printf '%s\n' "$*" >>"$NOTES/apt-get"
simulated= packages=
for w; do case $w in -s) simulated=yes ;; -* | DPkg::* | purge) ;; *) packages="$packages $w" ;; esac; done
for p in $packages; do
  for gone in $(sed -n "s/^\($p\)\( .*\)\{0,1\}\$/\1\2/p" "$NOTES/packages"); do
    echo "Purg $gone [1]"
    [ -n "$simulated" ] || sed -i "/^$gone\( \|\$\)/d" "$NOTES/packages"
  done
done
"""
_GETENT = '#!/bin/sh\n[ "$1" = passwd ] && grep -x "$2" "$NOTES/users" 2>/dev/null || exit 2\n'
_USERDEL = '#!/bin/sh\nsed -i "/^$1\\$/d" "$NOTES/users"\n'
PROGRAMS = {
    "systemctl": _SYSTEMCTL,
    "systemd-run": _SYSTEMD_RUN,
    "journalctl": _JOURNALCTL,
    "nft": _NFT,
    "dpkg-query": _DPKG_QUERY,
    "apt-get": _APT_GET,
    "getent": _GETENT,
    "userdel": _USERDEL,
}


class Units:
    """What systemd's stand-in knows of units, to be asked and set by tests."""

    def __init__(self, notes: Path) -> None:
        self._directory = notes / "units"
        self._directory.mkdir(exist_ok=True)

    def __getitem__(self, unit: str) -> str:
        file = self._directory / unit
        return file.read_text().strip() if file.exists() else "inactive"

    def __setitem__(self, unit: str, state: str) -> None:
        (self._directory / unit).write_text(f"{state}\n")

    def busy(self, unit: str) -> None:
        """Whoever is on it keeps it, once it is told to end."""
        (self._directory / f"{unit}.busy").touch()

    def breaks(self, unit: str) -> None:
        """It cannot be started."""
        (self._directory / f"{unit}.broken").touch()

    def enabled(self, unit: str) -> bool:
        return (self._directory / f"{unit}.enabled").exists()

    def command(self, timer: str) -> str:
        """What the timer of that name (without .timer) will run; '' when there is none."""
        file = self._directory / f"{timer}.command"
        return file.read_text().strip() if file.exists() else ""
