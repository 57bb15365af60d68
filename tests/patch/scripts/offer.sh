# The package lkm-test of version $1, whose postinst runs $2: the only one in the archive.
set -eu
cd /srv/lkm-archive
tree=$(mktemp -d) file=lkm-test_$1_all.deb
mkdir -p "$tree/DEBIAN" "$tree/opt/lkm-test"
echo "$1" >"$tree/opt/lkm-test/version"
control() {
  printf 'Package: lkm-test\nVersion: %s\nArchitecture: all\n' "$1"
  printf 'Maintainer: nobody <nobody@example.org>\nDescription: x\n'
}
control "$1" >"$tree/DEBIAN/control"
printf '#!/bin/sh\n%s\n' "$2" >"$tree/DEBIAN/postinst"
chmod 755 "$tree" "$tree/DEBIAN" "$tree/DEBIAN/postinst"
dpkg-deb --root-owner-group --build "$tree" "$file" >/dev/null
rm -r "$tree"
sum() { sha256sum "$1" | cut -d ' ' -f 1; }
{
  control "$1"
  printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n' "$file" "$(stat -c %s "$file")" "$(sum "$file")"
} >Packages
printf 'Label: Debian-Security\nSHA256:\n %s %s Packages\n' "$(sum Packages)" "$(stat -c %s Packages)" >Release
