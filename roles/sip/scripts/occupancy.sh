# For occupancy.sh of the kit. The series appears with the first call: absent is none. Calls that still ring are not in
# it.
# shellcheck disable=SC2154
metrics=$(port metrics)
[ -z "$metrics" ] || ! all=$(curl -sf -m 2 "http://127.0.0.1:$metrics/metrics") ||
  printf '%s\n' "$all" | awk -v slot="$slot" '
    /^livekit_sip_calls_active[{ ]/ { n += $NF } END { print slot, "sessions", n + 0 }'
