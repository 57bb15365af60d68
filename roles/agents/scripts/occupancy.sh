# The jobs of a slot, for OccupancyQuery ($slot, and a function `port`), and how many of them its worker has lost.
# shellcheck disable=SC2154
health=$(port health)
[ -z "$health" ] || ! said=$(curl -sf -m 2 "http://127.0.0.1:$health/worker") ||
  for each in sessions:active_jobs lost:jobs_lost again:jobs_redispatched; do
    printf '%s\n' "$said" | sed -n "s/.*\"${each#*:}\": *\([0-9]*\).*/$slot ${each%:*} \1/p"
  done
