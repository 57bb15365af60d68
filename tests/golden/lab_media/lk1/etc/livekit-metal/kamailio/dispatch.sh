644 root:root
----------------------------------------
# Managed by livekit-metal; edit the inventory instead. Role: kamailio
# Tells Kamailio which slot takes new calls: the one that /etc/livekit-metal/active.map names, at the address that its own
# generation has (a slot keeps its ports until it ends). No line there: new calls get 503, and carriers try elsewhere.
# Set 2 of the dispatcher are all slots, draining ones too: what follows in a call may go there and nowhere else.
set -eu
slot=$(sed -n 's/^sip //p' /etc/livekit-metal/active.map 2>/dev/null || :) to=
if [ -n "$slot" ]; then
  unit=$(printf 'livekit-sip@%s.service' "$slot")
  of=$(readlink "/etc/systemd/system/$unit.d/50-generation.conf")
  to=$(sed -n "s/^slot $slot address \([0-9.]*\) sip \([0-9]*\) .*/1 sip:\1:\2/p" "${of%/*}/ports")
  [ -n "$to" ] || { echo "slot $slot of sip: its generation does not tell its port" >&2; exit 1; }
fi
# As its user: the socket is in its own directory, and where a link there leads root must not go.
tell() { setpriv --reuid=kamailio --regid=kamailio --clear-groups timeout 5 kamcmd -s unix:/run/livekit-kamailio/ctl "$@" 2>&1; }
now() { tell dispatcher.list | awk '$1 == "ID:" { set = $2 } $1 == "URI:" { print set, $2 }' | sort -u; }
for of in /etc/systemd/system/livekit-sip@*.service.d/50-generation.conf; do
  of=$(readlink "$of") || continue
  s=${of##*/slot-}; s=${s%.conf}
  at=$(sed -n "s/^slot $s address \([0-9.]*\) sip \([0-9]*\) .*/2 sip:\1:\2/p" "${of%/*}/ports" 2>/dev/null) || continue
  to=$(printf '%s\n' "$to" "$at" | sed '/^$/d' | sort -u)
done
# A slot that has been left may still be known: nobody is there any more.
if [ "${1-}" = check ]; then
  now=$(now)
  [ "$(printf '%s\n' "$now" | grep '^1 ')" = "$(printf '%s\n' "$to" | grep '^1 ')" ] || exit 1
  printf '%s\n' "$to" | while read -r line; do printf '%s\n' "$now" | grep -qxF "$line" || exit 1; done
  exit
fi
# In a directory of root's: Kamailio reads it, and cannot put anything in its place.
(umask 022; printf '%s\n' "$to" >/etc/livekit-metal/kamailio/slots.lkm-new)
mv -fT /etc/livekit-metal/kamailio/slots.lkm-new /etc/livekit-metal/kamailio/slots
[ "${1-}" != only-write ] && [ -S /run/livekit-kamailio/ctl ] || exit 0
said=$(tell dispatcher.reload) || :
now=$(now)
[ "$now" = "$to" ] || { echo "Kamailio sends calls to '$now', not to '$to' ($said)" >&2; exit 1; }
