# New sessions go elsewhere, then slots drain; active-slot.sh. The words are those of Switchover:
#   file socket component unit slot (its name has %s for the slot)
#   deadline bound unjoined signal finish
#   run drop_in script: the directory of candidates' flags, the names of what a drain puts beside the unit
#   waiting flip: programs, run by eval; see Switchover
#   mark: touched when the slot has become active; '' for none
#   the rest: the slots that drain
set -eu
# shellcheck disable=SC2034  # of active-slot.sh
file=$1 socket=$2 component=$3 unit=$4 slot=$5
shift 5
deadline=$1 bound=$2 unjoined=$3 signal=$4 finish=$5
shift 5
run=$1 drop_in=$2 script=$3
shift 3
waiting=$1 change=$2 mark=$3
shift 3

waiting() { eval "$waiting"; }
change() { eval "$change"; }

# The deadline must stay until the unit is inactive: systemd computes deadlines again at every daemon-reload. Never
# `systemctl kill`: Restart=always would revive the slot.
drain() {
  # shellcheck disable=SC2059  # a unit's name with %s
  u=$(printf "$unit" "$1") end=$(($(date +%s) + unjoined))
  while left=$(waiting "$1") && [ -n "$left" ] && [ "$(date +%s)" -lt "$end" ]; do sleep 0.3; done
  [ -z "$left" ] || printf '%s\n' "$left" | sed "s/^/left $1 /"
  d=/run/systemd/system/$u.d
  mkdir -p "$d"
  if [ -n "$finish" ]; then
    # shellcheck disable=SC2016  # for that program itself
    {
      echo "slot=$1 unit=$u"
      echo '[ "$(systemctl show -p ActiveState --value "$unit")" = deactivating ] || exit 0'
      printf '%s\n' "$finish"
    } >"$d/$script"
    t=livekit-finish-$component-$1
    systemctl -q is-active "$t.timer" || systemd-run -q --unit="$t" --on-active="$deadline" \
      --timer-property=AccuracySec=1s /bin/sh "$d/$script"
  fi
  {
    echo '[Service]'
    [ -z "$signal" ] || echo "KillSignal=$signal"
    echo "TimeoutStopSec=$bound"
  } >"$d/$drop_in"
  rm -f "$run/candidate-$component-$1"
  systemctl daemon-reload
  systemctl stop --no-block "$u"
}

change
[ -z "$mark" ] || { mkdir -p "${mark%/*}"; touch "$mark"; }
for s in "$@"; do drain "$s"; done
