# Whether the unit's own process has all ports: t:PORT or u:PORT. At start it says nothing of a port of WHIP, relay,
# health or debugging that somebody else has. For until.sh
# shellcheck disable=SC2154
pid=$(systemctl show -p MainPID --value "$unit") missing=
for at in "$@"; do
  ss "-Hln${at%%:*}p" "sport = :${at#*:}" | grep -q "pid=$pid," || missing="$missing ${at#*:}"
done
[ -z "$missing" ] || { echo "it does not listen on$missing"; return 1; }
