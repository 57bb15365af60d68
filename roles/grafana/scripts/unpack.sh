# $1 directory, $2 the file's name, $3 its sha256; the file comes by standard input. The directory appears complete or
# not at all. A package is unpacked and not installed: its scripts would start it on every address. Nothing in it keeps
# an owner or a set-user-ID bit.
set -eu; umask 022; d=$1; t=$1.lkm-new
mkdir -p "${d%/*}"; rm -rf "$t"; mkdir -p "$t/tree"; trap 'rm -rf "$t"' EXIT
cat >"$t/file"
echo "$3  $t/file" | sha256sum -c --status || { echo "what arrived is not what was sent" >&2; exit 1; }
case $2 in
*.deb) dpkg-deb --fsys-tarfile "$t/file" >"$t/tar" ;;
*) gzip -dc "$t/file" >"$t/tar" ;;
esac
tar -x -o --no-same-permissions -C "$t/tree" -f "$t/tar"; rm "$t/file" "$t/tar"
program=$(find "$t/tree" -path '*/bin/grafana' -type f | head -n 1)
[ -n "$program" ] || { echo "$2 has no bin/grafana: is it Grafana 10 or newer?" >&2; exit 1; }
home=${program%/bin/grafana}; ln -s "${home#"$t/"}" "$t/home"
sync -f "$t"; rm -rf "$d"; mv -T "$t" "$d"; trap - EXIT
