# For occupancy.sh of the kit. JSON escapes quotes inside of strings: nobody's room name can look like a room of its
# own.
# shellcheck disable=SC2154
signal=$(port signal) metrics=$(port metrics) debug=$(port debug)
[ -z "$signal" ] || ! all=$(ss -Htn state established "( sport = :$signal )") ||
  echo "$slot websockets $(printf '%s' "$all" | grep -c '')"
[ -z "$metrics" ] || curl -sf -m 2 "http://127.0.0.1:$metrics/metrics" |
  sed -nE "s/^livekit_(room|participant)_total[{ ].* ([^ ]+)\$/$slot \1s \2/p"
[ -z "$debug" ] || ! all=$(curl -sf -m 5 "http://127.0.0.1:$debug/debug/rooms") || {
  echo "$slot debug read"
  printf '%s\n' "$all" | grep -aoE '"Name":"([^"\\]|\\.)*","Participants":\{\},"Sid"' |
    sed "s/^\"Name\":/$slot unjoined /; s/,\"Participants\":{},\"Sid\"\$//"
}
