# Makes an empty slot ready to run something. $1 unit, $2 drop-in that says what, $3 flag that lets the unit start
# although it is not active, $4 the timer of an earlier drain, $5 and $6 what that drain has left beside the unit.
set -eu
d=/etc/systemd/system/$1.d
install -d -m 755 -- "$d" "${3%/*}"
ln -sfn "$2" "$d/.new"
mv -fT "$d/.new" "$d/50-generation.conf"
systemctl -q stop "$4" 2>/dev/null || :
rm -f "/run/systemd/system/$1.d/$5" "/run/systemd/system/$1.d/$6"
: >"$3"
systemctl -q enable --no-reload "$1"
systemctl daemon-reload
