# Prints the rooms on slot $1 that nobody has joined yet; $unit is the unit's name with %s. For hand-over.sh
# shellcheck disable=SC2154,SC2059
g=$(readlink "/etc/systemd/system/$(printf "$unit" "$1").d/50-generation.conf") || return 0
p=$(sed -n "s/^slot $1 .* debug \([0-9]*\).*/\1/p" "${g%/*}/ports" 2>/dev/null)
[ -n "$p" ] || return 0
curl -s -m 2 "http://127.0.0.1:$p/debug/rooms" |
  perl -ne 'push @r, $1 while /"Name":("(?:[^"\\]|\\.)*"),"Participants":\{\}/g;
    END { print "the rooms @r, which nobody has joined yet\n" if @r }'
