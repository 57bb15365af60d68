# The jobs of a slot, for OccupancyQuery ($slot, and a function `port`).
# shellcheck disable=SC2154
health=$(port health)
[ -z "$health" ] || ! said=$(curl -sf -m 2 "http://127.0.0.1:$health/worker") ||
  printf '%s\n' "$said" | sed -n "s/.*\"active_jobs\": *\([0-9]*\).*/$slot sessions \1/p"
