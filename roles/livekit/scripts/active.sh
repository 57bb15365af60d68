# The signal port and the node id of the slot that serves, if one does. $1 the active file, $2 the unit's name with %s;
# node.sh
s=$(sed -n 's/^livekit //p' "$1" 2>/dev/null)
[ -n "$s" ] || exit 0
# shellcheck disable=SC2059
u=$(printf "$2" "$s")
[ "$(systemctl show -p ActiveState --value "$u")" = active ] || exit 0
g=$(readlink "/etc/systemd/system/$u.d/50-generation.conf")
# shellcheck disable=SC2046
set -- $(sed -n "s/^slot $s signal \([0-9]*\) metrics \([0-9]*\).*/\2 \1/p" "${g%/*}/ports")
echo "$2 $(node "$1")"
