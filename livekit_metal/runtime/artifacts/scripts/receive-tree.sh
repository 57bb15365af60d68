# $1 directory, $2 name of the tree, $3 sha256, $4 KiB. The sum is taken of what tar unpacks while it does; a directory
# that nobody but root enters keeps the tree's set-user-ID programs from everybody else (RootDirectory= is entered by
# systemd itself). When the controller is gone, the words about it have no reader, and must not end this before it has
# cleaned up; what a host that lost power has kept is removed by the next push.
set -eu; umask 077; d=$1; t=$1.lkm-new
(umask 022; mkdir -p "${d%/*}"); rm -rf "${d%/*}"/*.lkm-new
free=$(df -Pk "${d%/*}" | awk 'NR == 2 { print $4 }')
[ "$free" -gt "$4" ] || { echo "$(($4 >> 10)) MB are needed below ${d%/*}, $((free >> 10)) MB are free" >&2; exit 1; }
mkdir "$t"; trap 'rm -rf "$t"' EXIT; mkdir "$t/$2"; mkfifo "$t/pipe"
sha256sum < "$t/pipe" > "$t/sum" & sum=$!
gzip -dc | tee "$t/pipe" |
  tar -x -p --numeric-owner --same-owner --delay-directory-restore --xattrs --xattrs-include='*' -C "$t/$2" || s=$?
wait "$sum"; trap '' PIPE
[ "${s:-0}" = 0 ] || { echo "tar ended with $s" >&2; exit 1; }
[ "$(cut -c 1-64 "$t/sum")" = "$3" ] || { echo "what arrived is not what was sent" >&2; exit 1; }
rm "$t/pipe" "$t/sum"; sync -f "$t"; rm -rf "$d"; mv -T "$t" "$d"; trap - EXIT
