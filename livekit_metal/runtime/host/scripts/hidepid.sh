# Says "hidden" where accounts see only their own processes, and those who have to see do. $1 how to tell the first (a
# program, by eval), $2 the group of the second, the rest its units. Who does not run gets the group at its next start.
hidden=$(eval "$1") && g=$(getent group "$2" | cut -d: -f3) && [ -n "$g" ] || exit
grep -qE "^[^ ]+ /proc proc [^ ]*\bgid=$g\b" /proc/mounts || exit
shift 2
for u in "$@"; do
  p=$(systemctl show -p MainPID --value "$u")
  [ "$p" = 0 ] || grep -qE "^Groups:.*\b$g\b" "/proc/$p/status" || exit 0
done
echo "$hidden"
