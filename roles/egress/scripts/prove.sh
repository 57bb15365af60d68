# Writes, reads and deletes an object. $1 one that is nobody's, $2 what to write, $3 words that make a command egress'
# own; $4 the CAs of the system that it speaks for, where that is an image; rclone.sh. What fails is named.
# shellcheck disable=SC2034  # of rclone.sh
as=$3
[ -z "${4-}" ] || export SSL_CERT_FILE="$4"
fails() { printf '%s\n%s\n' "$1" "$said" >&2; exit 1; }
said=$(printf %s "$2" | rc rcat "$1" 2>&1) || fails write
said=$(rc cat "$1" 2>&1) || fails read
[ "$said" = "$2" ] || { said="Failed: it gave something else"; fails read; }
said=$(rc deletefile "$1" 2>&1) || fails delete
