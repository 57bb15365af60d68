# Brings the old rules back at once, not when the timer does. $1 new rules, $2 the timer's unit, $3 what brings the old
# ones back, $4 to $6 its words.
systemctl stop "$2.timer" "$2.service" 2>/dev/null || :
sh -c "$3" "$1" "$4" "$5" "$6"
