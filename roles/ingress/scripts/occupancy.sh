# For occupancy.sh of the kit. The gauge has a line for each kind of stream, and none before the first stream.
# shellcheck disable=SC2154
metrics=$(port metrics)
[ -z "$metrics" ] || ! all=$(curl -sf -m 2 "http://127.0.0.1:$metrics/metrics") ||
  printf '%s\n' "$all" | awk -v slot="$slot" '
    /^livekit_ingress_requests[{]/ { streams += $NF } END { print slot, "sessions", streams + 0 }'
