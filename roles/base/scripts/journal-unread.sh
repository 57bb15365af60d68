# Whether journald runs from before a file came to be what it is: says so, or nothing. Arguments: the file, the unit
[ -e "$1" ] || exit 0
began=$(date -d "$(systemctl show -P ExecMainStartTimestamp "$2")" +%s) || exit 0
[ "$(stat -c %Z "$1")" -le "$began" ] || echo unread
