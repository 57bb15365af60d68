# The same for the lock of a site. $1 who we are, $2 lock, $3 guard; locks.sh.
enter "$3"
renew "$2" 6 || held "$2"
exec 9>>"$2"
flock -n 9 || held "$2"
taken "$2" "$1"
keep
