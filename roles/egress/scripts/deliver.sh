# Moves what an upload left behind to the store. $1 directory, $2 where to, $3 words that make a command egress' own,
# which may have put a link there; rclone.sh. What is being written is younger than 10 s; what is there already and
# differs stays.
# shellcheck disable=SC2034  # of rclone.sh
as=$3
had=$(find "$1" -type f | grep -c '' || :)
young=$(find "$1" -type f -newermt '-10 seconds' | grep -c '' || :)
said=$(rc move --immutable --min-age 10s --delete-empty-src-dirs "$1" "$2" 2>&1) || failed=1
left=$(find "$1" -type f | grep -c '' || :)
[ "$young" = 0 ] || more=" ($young written in the last 10 s: run the same again)"
echo "$((had - left)) delivered, $left left${more-}"
[ -z "${failed-}" ] || { printf '%s\n' "$said" >&2; exit 1; }
