# Loads rules, with a timer armed that brings the old ones back. $1 new rules, $2 seconds, $3 the timer's unit, $4 what
# brings the old ones back, $5 to $7 its words. A rollback that is armed already belongs to rules that nobody
# confirmed: they go before new ones come.
set -eu
umask 022
! systemctl -q is-active "$3.timer" || sh -c "$4" "$1" "$5" "$6" "$7"
systemctl stop "$3.timer" "$3.service" 2>/dev/null || :
systemctl reset-failed "$3.service" 2>/dev/null || :
mkdir -p "${1%/*}"
cat >"$1"
nft -c -f "$1" || { rm -f "$1"; exit 1; }
systemd-run -q --unit="$3" --on-active="$2" --timer-property=AccuracySec=100ms sh -c "$4" "$1" "$5" "$6" "$7"
nft -f "$1" || { systemctl stop "$3.timer"; rm -f "$1"; exit 1; }
