# What a look tells about Redis. $1 seconds after which whoever lost a connection has another, $2 Redis' unit, $3 files
# that the unit that forwards may have (words), $4 how a line there says what it listens on, $5 where Redis should listen
# (words), $6 its users (words), $7 which daemons have users (an extended regular expression), the rest passwords, of which one is
# right.
#   leaves ADDRESS       the running Redis listens there, the site wants that no more
#   former ADDRESS       the former unit does, or should (of both only addresses that this host still has)
#   used ADDRESS         a former one with somebody connected
#   user NAME            one of Redis
#   silent               it runs, and says neither that we may come in nor that we may not
#   retired NAME SHA256  the user of a daemon that the site has no more and somebody is logged in as, and its password
# While what they go through has just started, everybody counts as connected. Redis is asked where it listens now.
# After client.sh
# shellcheck disable=SC2154
settled=$1 unit=$2 files=$3 address=$4 listens=$5 users=$6 daemons=$7
shift 7
here() { a=${1%:*}; a=${a#[}; ip -o addr show to "${a%]}" | grep -q .; }
fresh() { s=$(ps -o etimes= -p "$(systemctl show -p MainPID --value "$1")"); [ "${s:-0}" -lt "$settled" ]; }
now=$(ss -Hltn --cgroup | awk -v unit="$unit" '$NF ~ "/" unit "$" { print $4 }')
for e in $now; do case " $listens " in *" $e "*) ;; *) ! here "$e" || echo "leaves $e" ;; esac; done
file=
for f in $files; do [ ! -e "$f" ] || file=$f; done
if [ -n "$file" ]; then
  all=$(sed -n "s/^$address//p" "$file")
  busy=$(ss -Htn state established | awk '{ print $3 }')
  ! fresh "$unit" && ! fresh "${file##*/}" || busy=$all
  for e in $all; do
    here "$e" || continue
    echo "former $e"
    ! printf '%s\n' "$busy" | grep -qxF "$e" || echo "used $e"
  done
fi
# shellcheck disable=SC2086
e=$(printf '%s\n' $now $listens | sed 1q)
a=${e%:*}; a=${a#[}
# A busy host answers late: no answer is no refusal, and is waited for once more, longer.
ask() { # password, seconds
  printf 'acl list\nclient list\n' |
    REDISCLI_AUTH=$1 timeout "$2" "$client" -h "${a%]}" -p "${e##*:}" --user deploy
}
for p in "$@"; do
  said=$(ask "$p" 5)
  [ $? != 124 ] || said=$(ask "$p" 20)
  [ $? != 124 ] || { echo silent; break; }
  case $said in *"user default"*) break ;; esac
done
told=$(printf '%s\n' "$said" | awk -v wanted=" $users " -v daemons="^($daemons)-" '
  $1 == "user" { print "user", $2 }
  $1 == "user" && $2 ~ daemons && !index(wanted, " " $2 " ") {
    for (i = 3; i <= NF; i++) if ($i ~ /^#/) of[$2] = substr($i, 2)
  }
  /^id=/ { for (i = 1; i <= NF; i++) if (sub(/^user=/, "", $i)) in_use[$i] }
  END { for (u in of) print (u in in_use ? "retired" : "idle"), u, of[u] }')
case $told in *idle*) ! fresh "$unit" || told=$(printf '%s\n' "$told" | sed 's/^idle/retired/') ;; esac
[ -z "$told" ] || printf '%s\n' "$told"
