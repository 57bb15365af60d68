# One line per record, whatever its file looks like. $1 the marker of maintenance, the rest directories of rejected
# generations.
one() { [ ! -f "$2" ] || printf '%s %s\n' "$1" "$(tr '\n' ' ' <"$2")"; }
one maintenance "$1"
shift
for directory in "$@"; do
  for f in "$directory"/*; do one "rejected ${f##*/}" "$f"; done
done
