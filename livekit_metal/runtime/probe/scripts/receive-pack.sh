# $1 directory, $2 sha256. The directory appears complete or not at all. -i: several archives, one after the other.
set -eu; umask 022; d=$1; t=$1.lkm-new
mkdir -p "${d%/*}"; rm -rf "$t"; mkdir "$t"; trap 'rm -rf "$t"' EXIT
cat > "$t/packed"
echo "$2  $t/packed" | sha256sum -c --status || { echo "what arrived is not what was sent" >&2; exit 1; }
tar -xzif "$t/packed" --no-same-owner -C "$t"; rm "$t/packed"
(cd "$t"; nice python3 -m compileall -q . >/dev/null) || :
sync -f "$t"; rm -rf "$d"; mv -T "$t" "$d"; trap - EXIT
