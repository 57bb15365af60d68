# $1 unit, $2 port, $3 metrics port, the rest as in listed.sh; node.sh. 200 until livekit-server has heard itself over
# Redis' pub/sub: only what it hears has it tell Redis of itself again (pkg/routing/redisrouter.go, keepaliveWorker). 200
# comes for the first 4 s without. Where list-nodes tells no times, until the process is 7 s old.
unit=$1 port=$2 id=$(node "$3")
shift 3
heard() {
  [ "$(listed "$id" "$@" | grep -oE '[0-9]{4}(-[0-9]{2}){2} [0-9:]{8}' | uniq | wc -l)" = 2 ]
}
old() {
  awk -v began="$(systemctl show -p ExecMainStartTimestampMonotonic --value "$unit")" \
    '{ exit $1 - began / 1e6 < 7 }' /proc/uptime
}
while :; do
  end=
  ! heard "$@" && ! old || end=yes
  code=$(curl -s -m 2 -o /dev/null -w "%{http_code}" "http://127.0.0.1:$port/")
  [ "$code" = 200 ] || { echo "HTTP $code" >&2; exit 1; }
  [ -z "$end" ] || exit 0
  sleep 0.3
done
