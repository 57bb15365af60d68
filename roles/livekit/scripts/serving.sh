# Its node id, once Redis has it as serving. $1 metrics port, the rest as in listed.sh; node.sh. For until.sh
id=$(node "$1")
[ -n "$id" ] || return 1
shift
listed "$id" "$@" | grep -q SERVING && echo "$id"
