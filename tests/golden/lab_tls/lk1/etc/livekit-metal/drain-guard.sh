644 root:root
----------------------------------------
# Managed by livekit-metal; edit the inventory instead.
# The deadlines of drains become 20 s: systemd computes a unit's deadline anew at every daemon-reload, and
# what has drained for longer ends at once. Clients find another node by themselves within seconds. A slot that has
# something to finish (a recording) is told to, and gets 60 s from now.
[ "$(systemctl is-system-running)" = stopping ] || exit 0
for f in /run/systemd/system/livekit-*@*.service.d/90-livekit-metal-drain.conf; do
  [ -e "$f" ] || continue
  d=${f%/*} left=20
  if [ -e "$d/finish.sh" ]; then
    sh "$d/finish.sh"
    u=${d##*/} u=${u%.d}
    began=$(systemctl show -p ActiveExitTimestampMonotonic --value "$u")
    left=$(awk -v began="$began" '{ print int($1 - began / 1e6) + 60 }' /proc/uptime)
  fi
  printf '[Service]\nTimeoutStopSec=%s\n' "$left" >"$f"
done
systemctl daemon-reload
# Who ends a recording, a stream or a phone call still has to tell LiveKit: Redis, livekit-server, the edge and Kamailio
# stop after this (their order), so they are waited for, but not for long.
end=$(($(date +%s) + 25))
while [ "$(date +%s)" -lt "$end" ]; do
  [ -n "$(systemctl list-units --plain --no-legend --state=active,deactivating 'livekit-egress@*' 'livekit-ingress@*' 'livekit-sip@*')" ] || break
  sleep 0.2
done
