# For `until`: its own process has the port $1, and LiveKit has taken the worker in. $unit is the caller's.
# shellcheck disable=SC2154
pid=$(systemctl show -p MainPID --value "$unit")
ss -Hltnp "sport = :$1" | grep -q "pid=$pid," || { echo "it does not listen on port $1"; return 1; }
said=$(curl -s -m 2 "http://127.0.0.1:$1/") || :
[ "$said" = OK ] || { echo "LiveKit has not taken it in: $said"; return 1; }
