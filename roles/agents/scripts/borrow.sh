# $1 directory of a release, $2 what its packages are. Another release with the same ones, of whatever fleet, lends them:
# files that nobody changes.
set -eu
umask 022
d=$1
t=$1.lkm-new
mkdir -p "${d%/*}"; rm -rf "${d%/*}"/*.lkm-new
for each in "${d%/*}"/*/packages "${d%/*/*}"/agents-*/*/packages; do
  case $each in *.lkm-new/packages) continue ;; esac  # it may not be whole
  [ "$(cat "$each" 2>/dev/null)" = "$2" ] || continue
  mkdir "$t"; cp -al "${each%/*}/site" "$t/site"; printf '%s\n' "$2" >"$t/packages"; echo borrowed; exit
done
