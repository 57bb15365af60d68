# $1 directory, $2 program, $3 sha256. The directory appears complete or not at all.
set -eu; umask 022; d=$1; t=$1.lkm-new
mkdir -p "${d%/*}"; rm -rf "$t"; mkdir "$t"; trap 'rm -rf "$t"' EXIT
gzip -dc > "$t/$2"
echo "$3  $t/$2" | sha256sum -c --status || { echo "what arrived is not what was sent" >&2; exit 1; }
chmod 755 "$t/$2"; sync -f "$t/$2"; rm -rf "$d"; mv -T "$t" "$d"; trap - EXIT
