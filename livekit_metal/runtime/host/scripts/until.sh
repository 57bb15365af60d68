# Waits for something. $1 the longest (s), $2 the unit that it is about, $3 how to tell (a program, by eval; "no use" is
# its exit status 2), $4 whether it gets a $secret, by standard input; the rest are its words.
end=$(($(date +%s) + $1)) unit=$2 told=$3
# shellcheck disable=SC2034  # for that program
[ -z "$4" ] || IFS= read -r secret
shift 4
check() { eval "$told"; }
while :; do
  out=$(check "$@" 2>&1) && break
  # shellcheck disable=SC2015
  [ $? != 2 ] && [ "$(date +%s)" -le "$end" ] || { printf '%s\n' "$out" >&2; exit 1; }
  [ "$(systemctl show -p ActiveState --value "$unit")" != failed ] || { echo "$unit failed" >&2; exit 1; }
  sleep 0.2
done
printf '%s\n' "$out"
