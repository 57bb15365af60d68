644 root:root
----------------------------------------
# Managed by livekit-metal; edit the inventory instead. Role: egress
# $1 slot. Its own directories, before it starts and after it has ended. A recording that is still in its scratch then was
# cut short (a kill, a crash, a power cut): its file, up to that moment, is kept and named in the journal.
set -u
state=/var/lib/livekit-metal/egress
for d in "$state/$1" "$state/backup" "$state/cut-short" "$state/files"; do
  install -d -m 700 -o livekit-egress -g livekit-egress "$d"
done
# All that lies in them is egress' own: what it has put there instead of a recording must not lead root anywhere.
exec setpriv --reuid=livekit-egress --regid=livekit-egress --clear-groups sh -s "$state" "$1" <<'TIDY'
set -u
for d in "$1/$2"/EG_*; do
  [ -d "$d" ] && [ ! -L "$d" ] || continue
  if [ -n "$(find "$d" -type f -size +0 -print -quit)" ] && mv -T "$d" "$1/cut-short/${d##*/}"; then
    echo "<3>recording ${d##*/} was cut short; what there is of it: $1/cut-short/${d##*/}"
  else
    echo "<3>recording ${d##*/} was cut short; nothing of it was written yet"
  fi
done
# sockets of processes that are gone, of this slot alone; not the registry of GStreamer
rm -rf "$1/$2"/EG_* "$1/$2"/EGH_* "$1/$2"/NE_*
TIDY
