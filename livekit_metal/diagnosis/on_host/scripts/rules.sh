# Every nftables table that is not ours, with what decides in it: chains, hooks, rules that accept, drop or lead on.
# -n numbers, -s without counters, -t without the elements of sets. The first 2000 lines: there are hosts with thousands.
nft -nst list ruleset 2>/dev/null | awk '
  $1 == "table" { theirs = $3 !~ /^livekit_metal/ }
  theirs && ($1 ~ /^(table|chain|type)$/ || / (accept|drop|reject|jump|goto)( |$)/ || /^[ \t]*(accept|drop|reject|jump|goto)( |$)/)
' | head -n 2000
