# Takes the lock $1 away from the run that holds it. is-held.sh
# shellcheck disable=SC2154
is_held "$1" && kill "$p" && sleep 0.2
