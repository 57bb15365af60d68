# $1 health, $2 metrics, $3 template port. Upstream ignores that a port is taken, so: its own process has them all.
# "service ready" is logged once it has asked Redis for requests (pkg/server/server.go Run). For until.sh
# shellcheck disable=SC2154
pid=$(systemctl show -p MainPID --value "$unit")
for p in "$@"; do ss -Hltnp "sport = :$p" | grep -q "pid=$pid," || { echo "port $p is not its own"; return 1; }; done
[ "$(curl -s -m 2 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$1/")" = 200 ] || { echo "no health"; return 1; }
id=$(systemctl show -p InvocationID --value "$unit")
journalctl -q "_SYSTEMD_INVOCATION_ID=$id" -o cat | grep -q '"service ready"' || { echo "not ready"; return 1; }
