# Takes the lock of a host and keeps it. $1 who we are, $2 lock, $3 guard, $4 the work lock; locks.sh. Says `taken`, or
# a word that says why not, and what belongs to it: the holder, after a tab the processes.
# Descriptor 6 keeps a deploy of an earlier version out that has opened the old file just before it was replaced.
lock=$2 work=$4
orphan() {
  exec 8>&- 5>&-
  printf 'orphan %s\t%s\n' "$(cat "$lock.holder")" "$(who "$work")"
  exit 2
}
enter "$3"
renew "$lock" 6 || held "$lock"
exec 9>>"$lock"
flock -n 9 || held "$lock"
renew "$work" 5 || orphan
exec 8>>"$work"
flock -n -x 8 || orphan
exec 8>&- 5>&-
taken "$lock" "$1"
login >"$lock.login"
keep
