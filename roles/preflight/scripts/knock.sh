# Whether peers can be reached. $1 seconds for one to answer, $2 the same for a ping, then name, address and port of
# each. All at once: together they take as long as the slowest. A refused connection is an answer too; one that is
# dropped may be the work of a firewall on a peer that is there. A machine that is busy answers late: before anybody is
# blamed it has three times as long once more.
tried() {
  # shellcheck disable=SC2016
  said=$(LC_ALL=C timeout "$1" bash -c '</dev/tcp/$0/$1' "$2" "$3" 2>&1) && return 0
  case $said in *refused*) return 0 ;; esac
  return 1
}
knock() {
  if tried "$within" "$2" "$3" || tried "$again" "$2" "$3"; then echo "$1 answers"; return; fi
  # shellcheck disable=SC2015
  ! command -v ping >/dev/null || ping -q -c 1 -W "$ping" "$2" >/dev/null && echo "$1 drops" || echo "$1 silent"
}
within=$1 ping=$2 again=$(echo "$1" | awk '{ print 3 * $1 }')
shift 2
while [ $# -gt 0 ]; do
  knock "$1" "$2" "$3" &
  shift 3
done
wait
