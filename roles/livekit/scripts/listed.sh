# The two lines that list-nodes has of the node $1: its id and when it was started, its state and when Redis was told of it
# last. $2 directory of the generation, $3 program, $4 slot, $5 and $6 the sandbox (inside.sh) and its properties.
listed() {
  sandbox=$5
  inside() { eval "$sandbox"; }
  inside "$2/slot-$4.conf" "$6" "$3" --config "$2/$4.yaml" --key-file "$2/keys.yaml" list-nodes | grep -A1 "$1"
}
