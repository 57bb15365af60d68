# Sends new sessions to another slot. $1 the active file, $2 HAProxy's socket, $3 component, $4 slot; active-slot.sh.
# shellcheck disable=SC2034  # its variables
set -eu
file=$1 socket=$2 component=$3 slot=$4
flip
