# $1 unit: the same process until it is 5 s old.
pid() { systemctl show -p MainPID --value "$1"; }; was=$(pid "$1")
began=$(systemctl show -p ExecMainStartTimestampMonotonic --value "$1")
while [ "$(pid "$1")" = "$was" ]; do
  [ "$(awk -v began="$began" '{ print ($1 - began / 1e6 >= 5) }' /proc/uptime)" = 0 ] || exit 0; sleep 0.3
done; echo "it ended" >&2; exit 1
