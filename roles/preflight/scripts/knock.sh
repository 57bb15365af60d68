# Whether peers can be reached. $1 seconds for one to answer, $2 the same for a ping, then name, address and port of
# each. All at once: together they take as long as the slowest. A refused connection is an answer too; one that is
# dropped may be the work of a firewall on a peer that is there.
knock() {
  # shellcheck disable=SC2016
  said=$(LC_ALL=C timeout "$within" bash -c '</dev/tcp/$0/$1' "$2" "$3" 2>&1) && { echo "$1 answers"; return; }
  case $said in *refused*) echo "$1 answers"; return ;; esac
  # shellcheck disable=SC2015
  ! command -v ping >/dev/null || ping -q -c 1 -W "$ping" "$2" >/dev/null && echo "$1 drops" || echo "$1 silent"
}
within=$1 ping=$2
shift 2
while [ $# -gt 0 ]; do
  knock "$1" "$2" "$3" &
  shift 3
done
wait
