# Removes our tables of nftables: those that are named, and those of what single users may not reach
# (runtime/host/output_filter.py).
ours=$(printf '%s\\|' "$@")
nft list tables inet 2>/dev/null | sed -n "s/^table inet \\(${ours}livekit_[a-z]*_output\\)\$/\\1/p" |
  while read -r table; do nft delete table inet "$table"; done
