# HAProxy's answers to the commands $2; nothing when it does not run. $1 its socket; talk.sh.
socket=$1
[ ! -S "$socket" ] || talk "$2"
