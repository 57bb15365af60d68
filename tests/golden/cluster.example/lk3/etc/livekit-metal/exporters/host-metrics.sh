644 root:root
----------------------------------------
# Managed by livekit-metal; edit the inventory instead. Role: exporters
# Metrics that node_exporter has no collector for. Argument: the directory where it looks for them.
old_code() {
maps=$(grep -asHoE '^(0:|1:name=systemd):/system[.]slice/([^/]*[.]slice/)?livekit-[^/]*\.service' /proc/[0-9]*/cgroup | sed 's,:.*/,:,' | awk -F : '
  function hex(digits, i, n) {
    for (i = 1; i <= length(digits); i++) n = n * 16 + index("SUM", substr(digits, i, 1)) - 1
    return n
  }
  {
    split($1, at, "/"); pid = at[3]
    if (pid in seen) next
    seen[pid] = 1; program = ""; maps = "/proc/" pid "/maps"
    while ((getline line < maps) > 0) {
      if (split(line, f, " ") < 6 || f[5] == 0) continue
      file = substr(line, index(line, "/")); gone = sub(/ \(deleted\)$/, "", file)
      if (program == "") program = file
      if (f[2] !~ /x/ || ((pid, file, gone) in told)) continue
      if (file !~ /\.so(\.[^\/]*)?$/ && file != program) continue
      if (file ~ /^\/(dev|proc|run|tmp|var\/tmp)\/|^\/(memfd:|SYSV)/) continue
      told[pid, file, gone] = 1; split(f[4], device, ":"); minor = hex(device[2])
      st_dev = int(minor / 256) * 1048576 + hex(device[1]) * 256 + minor % 256
      if (gone) print "old", $2, pid, file
      else if (!asked[$2, file, f[5]]++) printf "map %s %s %.0f %s /proc/%s/root%s\n", $2, pid, st_dev, f[5], pid, file
    }
    close(maps)
  }')
{ printf '%s\n' "$maps"
  printf '%s\n' "$maps" | sed -n 's/^map [^ ]* [0-9]* [0-9]* [0-9]* //p' | xargs -r -d '\n' stat -Lc 'is %d %i %n' --
} 2>/dev/null | awk '
  function rest(n, text) { text = $0; while (n--) sub(/^[^ ]* /, "", text); return text }
  $1 == "old" { print rest(1) }
  $1 == "map" { path = rest(5); who[path] = $2 " " $3; dev[path] = $4; inode[path] = $5 }
  $1 == "is" {
    path = file = rest(3); sub(/^\/proc\/[0-9]*\/root/, "", file)
    if (dev[path] == $2 && inode[path] != $3) print who[path], file
  }'
}
deploy_state() {
set -- /etc/livekit-metal/active.map /etc/livekit-metal/maintenance /var/log/livekit-metal/audit.log /run/livekit-metal.lock 'grep -asHoE '"'"'^(0:|1:name=systemd):/system[.]slice/([^/]*[.]slice/)?livekit-[^/]*\.service'"'"' /proc/[0-9]*/cgroup | sed '"'"'s,:.*/,:,'"'"'' slots livekit livekit-server@%s.service /etc/livekit-metal/livekit 90-livekit-metal-drain.conf
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
}
put() { cat >"$1.new"; mv -fT "$1.new" "$1"; }
about() { printf '# HELP livekit_metal_%s %s\n# TYPE livekit_metal_%s gauge\n' "$1" "$2" "$1"; }
looked=0
while :; do
  {
    about slot '1 for each slot that runs, with the release that it runs and its state (active, draining, running).'
    about slot_active_since_seconds 'When new sessions began to go to the slot.'
    about active_slots 'Slots of the host that run and get new sessions.'
    about drain_began_seconds 'When the slot was told to end when nobody needs it any more.'
    about drain_deadline_seconds 'When systemd kills the slot.'
    about generations 'Generations that the host keeps.'
    about last_change '1 for how the last change of the host by a deploy or another procedure has ended.'
    about last_change_seconds 'When that was.'
    about lock_held_since_seconds 'Since when a run has the host; 0 when none has it.'
    about maintenance '1 while the host is out of service on purpose.'
    about maintenance_since_seconds 'Since when; 0 when it is not.'
    about kept_files 'Files that wait on the host for somebody: not uploaded (backup), or cut short.'
    deploy_state | LC_ALL=C sort
  } | put "$1/state.prom"
  # reading what every process has mapped costs a hundred times as much
  if [ $(($(date +%s) - looked)) -ge 300 ]; then
    looked=$(date +%s)
    {
      echo '# HELP livekit_metal_old_code Processes of a unit that run code which an update has replaced since they started.'
      echo '# TYPE livekit_metal_old_code gauge'
      { grep -asHoE '^(0:|1:name=systemd):/system[.]slice/([^/]*[.]slice/)?livekit-[^/]*\.service' /proc/[0-9]*/cgroup | sed 's,:.*/,:,' | sed 's/.*:/all /'; old_code | sed 's/^/old /'; } | awk '
        { gsub(/["\\]/, "\\\\&", $2); number[$2] += $1 == "old" && !counted[$2, $3]++ }
        END { for (unit in number) printf "livekit_metal_old_code{unit=\"%s\"} %d\n", unit, number[unit] }' | sort
    } | put "$1/livekit.prom"
  fi
  sleep 30
done
