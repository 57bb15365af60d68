# Adds a line to the audit log. $1 the log, $2 file that says who has logged in, $3 the group that reads the log, or '':
# only the beginning of a task makes it, as a removal has taken it away; $4 the line but for its beginning. The time is
# the host's own, as in its journal.
set -eu
if [ -n "$3" ]; then
  install -d -m 750 -o root -g "$3" -- "${1%/*}"
  [ -e "$1" ] || install -m 640 -o root -g "$3" /dev/null "$1"
fi
[ -e "$1" ] || exit 0
login=$(cat "$2" 2>/dev/null) || login=unknown
printf '{"when": "%s", "login": "%s", %s\n' "$(date -u '+%Y-%m-%d %H:%M:%SZ')" "$login" "$4" >>"$1"
