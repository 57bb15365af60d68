# $1 the active file, $2 HAProxy's socket; active-slot.sh.
# shellcheck disable=SC2034  # its variables
set -eu
file=$1 socket=$2
follow
