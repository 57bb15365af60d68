# Purges the packages that the file $1 lists and that are still there, one after the other until no more will go; those
# that something else has come to need meanwhile are left, with a line that begins with $2.
# shellcheck disable=SC2086  # lists of packages are words
set -eu
[ -s "$1" ] || exit 0
export DEBIAN_FRONTEND=noninteractive
here() { dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' $ours 2>/dev/null | awk '$2 == "ii" { print $1 }'; }
would_go() { apt-get -s purge "$@" | sed -n 's/^Purg \([^ ]*\).*/\1/p'; }
ours=$(cat "$1")
ours=$(here)
[ -n "$ours" ] || exit 0
needed=$(would_go $ours | grep -vxF "$ours" || :)
go=$ours
for p in ${needed:+$ours}; do
  would_go "$p" | grep -qvxF "$ours" && go=$(echo "$go" | grep -vxF "$p" || :)
done
[ -z "$go" ] || apt-get -y -q -o DPkg::Lock::Timeout=300 purge $go
[ -z "$needed" ] || echo "$2 $(echo "$needed" | tr '\n' ' ')need them: $(here | tr '\n' ' ')"
