# One look at a host. $1 what begins the lines that part the answer, $2 files, $3 packages, $4 sysctls (as paths below
# /proc/sys), $5 units (each of them words); the rest are questions: a name and a program (by eval), and so on.
# All sections at once, each into a file in memory: most of a look is waiting for small programs. The end proves that
# the answer is whole. The mark is made up for each look: names of processes, which anybody chooses, may have line
# breaks.
# shellcheck disable=SC2046,SC2086
mark=$1 FILES=$2 PACKAGES=$3 SYSCTLS=$4 UNITS=$5
shift 5
d=$(TMPDIR=/run mktemp -d 2>/dev/null || mktemp -d) || exit 1
trap 'rm -rf "$d"' EXIT

# Only what is there and a file: sha256sum of uutils 0.0.30 and 0.2 ends at the first that is not (uutils/coreutils#8912).
files() {
  echo "${mark}files"
  set --
  for f in $FILES; do [ ! -f "$f" ] || set -- "$@" "$f"; done
  [ $# = 0 ] || sha256sum -- "$@"
}
stats() { echo "${mark}stat"; [ -z "$FILES" ] || stat -c '%n %a %U %G' -- $FILES; }
packages() {
  echo "${mark}packages"
  [ -z "$PACKAGES" ] || dpkg-query -W -f '${Package}\t${db:Status-Abbrev}\t${Version}\n' $PACKAGES
}
sysctls() { echo "${mark}sysctls"; [ -z "$SYSCTLS" ] || (cd /proc/sys && grep -Hs '' $SYSCTLS); }
units() {
  echo "${mark}units"
  [ -n "$UNITS" ] || return 0
  u=$(systemctl show -p Id,LoadState,ActiveState,SubState,UnitFileState,MainPID,NRestarts,Result -- $UNITS)
  printf '%s\n' "$u"
  p=$(printf '%s\n' "$u" | sed -n 's,^MainPID=\([1-9].*\),\1,p')
  echo "${mark}stamps"
  [ -z "$p" ] || grep -azsHo '^LKM_STAMP=[^[:cntrl:]]*' $(printf '/proc/%s/environ ' $p) | tr '\0' '\n'
  echo "${mark}programs"
  [ -z "$p" ] || find $(printf '/proc/%s/exe ' $p) -printf '%p %l\n'
}
question() { # name, program
  echo "${mark}probe $1"
  set -- "$2"
  eval "$1"
}

for part in files stats packages sysctls units; do
  $part >"$d/$part" 2>/dev/null </dev/null &
done
i=1000
while [ $# -gt 0 ]; do
  i=$((i + 1))
  question "$1" "$2" >"$d/$i" 2>/dev/null </dev/null &
  shift 2
done
wait
cat "$d"/*
echo "${mark}end"
