# What deploys have left on this host, as samples for Prometheus. Words:
#   $1 the file of active slots, $2 the marker of maintenance, $3 the audit log, $4 the lock of a deploy
#   $5 a program that lists `…:UNIT` of what runs (by eval); the rest: `slots DAEMON UNIT ROOT DROP-IN` (a unit's name with %s for the slot, the
#   directory of its generations, what a drain leaves beside a unit), and `kept DAEMON KIND DIRECTORY`, as often as
#   needed. UNITS and RUN are where systemd looks for units: tests have others.
active=$1 maintenance=$2 audit=$3 lock=$4 running=$(eval "$5" | sed 's/.*://' | sort -u)
shift 5
units=${UNITS:-/etc/systemd/system} run=${RUN:-/run/systemd/system}
moment() { stat -c %Y -- "$1" 2>/dev/null || echo 0; }
# 5h, 90s, 300 (systemd.time(7), as livekit-metal writes it) in seconds
seconds() {
  case $1 in
  *d) echo $((${1%d} * 86400)) ;; *h) echo $((${1%h} * 3600)) ;; *m) echo $((${1%m} * 60)) ;; *) echo "${1%s}" ;;
  esac
}
slots() {
  serves=$(sed -n "s/^$1 //p" "$active" 2>/dev/null) up=0
  for link in "$units/${2%%%s*}"*"${2#*%s}.d/50-generation.conf"; do
    [ ! -L "$link" ] || one "$@"
  done
}
one() {
  unit=${link%.d/*} unit=${unit##*/} slot=${unit#*@} slot=${slot%.service}
  printf '%s\n' "$running" | grep -qxF "$unit" || return 0
  generation=$(readlink "$link") generation=${generation%/*} drop_in=$run/$unit.d/$4
  release=$(cat "$generation/release") release=${release##*/} labels="daemon=\"$1\",slot=\"$slot\"" state=running
  if [ -e "$drop_in" ]; then
    state=draining began=$(moment "$drop_in")
    bound=$(seconds "$(sed -n 's/^TimeoutStopSec=//p' "$drop_in")")
    echo "livekit_metal_drain_began_seconds{$labels} $began"
    echo "livekit_metal_drain_deadline_seconds{$labels} $((began + bound))"
  elif [ "$slot" = "$serves" ]; then
    state=active up=1
    echo "livekit_metal_slot_active_since_seconds{$labels} $(moment "$3/served/${generation##*/}")"
  fi
  echo "livekit_metal_slot{$labels,release=\"$release\",state=\"$state\"} 1"
}
last() {
  line=$(tail -n 1 "$audit" 2>/dev/null) && [ -n "$line" ] || return 0
  when=$(printf '%s\n' "$line" | sed -n 's/^{"when": "\([-0-9: ]*Z\)".*/\1/p')
  result=$(printf '%s\n' "$line" | sed -n 's/.*"result": "\([a-z]*\).*/\1/p')
  for each in began "done" failed; do
    echo "livekit_metal_last_change{result=\"$each\"} $([ "$each" = "$result" ] && echo 1 || echo 0)"
  done
  echo "livekit_metal_last_change_seconds $(date -u -d "$when" +%s)"
}
held=0 p=$(cat "$lock.pid" 2>/dev/null)
[ -z "$p" ] || [ "$(readlink "/proc/$p/fd/9")" != "$lock" ] || held=$(moment "$lock.pid")
echo "livekit_metal_lock_held_since_seconds $held"
echo "livekit_metal_maintenance $([ -e "$maintenance" ] && echo 1 || echo 0)"
echo "livekit_metal_maintenance_since_seconds $(moment "$maintenance")"
last
while [ $# -gt 0 ]; do
  case $1 in
  slots)
    slots "$2" "$3" "$4" "$5"
    echo "livekit_metal_active_slots{daemon=\"$2\"} $up"
    echo "livekit_metal_generations{daemon=\"$2\"} $(find "$4" -mindepth 2 -maxdepth 2 -name release 2>/dev/null | grep -c '')"
    shift 5
    ;;
  kept)
    echo "livekit_metal_kept_files{daemon=\"$2\",kind=\"$3\"} $(find "$4" -type f -size +0 2>/dev/null | grep -c '')"
    shift 4
    ;;
  esac
done
