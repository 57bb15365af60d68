# Its node id, once Redis has it as serving. $1 metrics port, $2 directory of the generation, $3 program, $4 slot, $5
# and $6 the sandbox (inside.sh) and its properties; node.sh. For until.sh
id=$(node "$1")
[ -n "$id" ] || return 1
sandbox=$5
inside() { eval "$sandbox"; }
inside "$2/slot-$4.conf" "$6" "$3" --config "$2/$4.yaml" --key-file "$2/keys.yaml" list-nodes |
  grep -A1 "$id" | grep -q SERVING && echo "$id"
