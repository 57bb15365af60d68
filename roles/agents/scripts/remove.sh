# What a fleet leaves behind, once nothing of it runs. $1 its unit's file, $2 its user, $3 its generations, $4 its releases.
set -eu
units=/etc/systemd/system
for each in "$units/${1%.service}"?*.service.d; do
  [ -e "$each" ] || continue
  u=${each##*/}
  systemctl -q disable "${u%.d}" 2>/dev/null || :
done
rm -rf "$units/${1:?}" "$units/${1%.service}"?*.service.d "$3" "$4"
systemctl daemon-reload
! getent passwd "$2" >/dev/null || userdel "$2"
