# Runs a program that changes the host. $1 work lock, $2 the longest to wait for it (s), $3 the program, the rest its
# words. It runs without the descriptor: a daemon that it leaves behind does not keep the lock. Modes of new files must
# not depend on the login's umask.
umask 077
exec 9>>"$1"
flock -s -w "$2" 9 || { echo "lock: $1 is not free" >&2; exit 1; }
umask 022
text=$3
shift 3
sh -c "$text" sh "$@" 9>&-
exit $?
