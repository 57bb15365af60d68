# New calls go to the slot whose line this is: Kamailio is told by the program $1 that reads it there. Run by eval in
# hand-over.sh; '' for $slot is none.
# shellcheck disable=SC2154
write ${slot:+"$component $slot"}
/bin/sh "$1"
