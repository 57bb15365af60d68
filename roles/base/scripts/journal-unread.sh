# Whether journald runs from before a file came to be what it is: says so, or nothing. Arguments: the file, the unit
[ -e "$1" ] || exit 0
began=$(systemctl show --timestamp=unix -P ExecMainStartTimestamp "$2")
case $began in @*) ;; *) exit 0 ;; esac
[ "$(stat -c %Z "$1")" -le "${began#@}" ] || echo unread
