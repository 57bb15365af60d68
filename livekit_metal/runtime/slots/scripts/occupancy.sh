# Who is on the slots of one daemon. $1 component, $2 the active file, $3 its units as a pattern, $4 the root of its
# generations, $5 what a slot itself is asked (a program, by eval; see OccupancyQuery). With $6, a pattern of the
# drop-ins that drains leave, it is about slots that drain, and costs next to nothing while none does.
# A line is `SLOT WORD VALUE`, besides `active SLOT` and, at the end of a whole answer, `end`. No line may begin with #.
component=$1 active=$2 units=$3 root=$4 ask=$5 which=
sed -n "s/^$component /active /p" "$active"
if [ -n "$6" ]; then
  echo 'only draining'
  # shellcheck disable=SC2086  # a pattern
  set -- $6
  [ -e "$1" ] || { echo end; exit; }
  which=deactivating
fi
export TZ=UTC LC_ALL=C
# ActiveExitTimestamp is the moment of the stop, whatever daemon-reloads come after it; StateChangeTimestamp moves on
# with each step of the stop.
shown=$(systemctl show -p Id,ActiveState,MainPID,ActiveExitTimestamp,TimeoutStopUSec -- "$units") || exit
printf '%s\n' "$shown" | awk 'BEGIN { RS = ""; FS = "\n"; OFS = "|" } {
  for (i = 1; i <= NF; i++) { n = index($i, "="); v[substr($i, 1, n - 1)] = substr($i, n + 1) }
  print v["Id"], v["ActiveState"], v["MainPID"], v["ActiveExitTimestamp"], v["TimeoutStopUSec"] }' |
while IFS='|' read -r unit state pid left timeout; do
  slot=${unit#*@}
  slot=${slot%.service}
  printf '%s\n' "$slot state $state" "$slot left $left" "$slot timeout $timeout"
  case $pid in 0 | '') continue ;; esac
  [ "$state" = "${which:-$state}" ] || continue
  stamp=$(sed -zn 's/^LKM_STAMP=//p' "/proc/$pid/environ" | tr -d '\0')
  of=$root/${stamp%%~*}
  # shellcheck disable=SC2317  # for $ask
  port() { sed -n "s/^slot $slot .*\<$1 \([0-9]*\).*/\1/p" "$of/ports"; }
  printf '%s\n' "$slot stamp $stamp" "$slot release $(cat "$of/release")"
  eval "$ask"
done
echo end
