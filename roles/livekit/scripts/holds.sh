# $1 unit, $2 port: 200 until the process is 7 s old, and then.
age() {
  awk -v began="$(systemctl show -p ExecMainStartTimestampMonotonic --value "$1")" \
    '{ print ($1 - began / 1e6 >= 7) }' /proc/uptime
}
while :; do
  old=$(age "$1") code=$(curl -s -m 2 -o /dev/null -w "%{http_code}" "http://127.0.0.1:$2/")
  [ "$code" = 200 ] || { echo "HTTP $code" >&2; exit 1; }
  [ "$old" = 0 ] || exit 0
  sleep 0.3
done
