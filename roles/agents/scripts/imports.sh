# Whether the entry point can be imported, as the worker will do it. $1 directory of the release, $2 launcher, $3 its
# configuration, $4 python or node.
cd "$1/code" || exit 1
export HOME=/tmp
[ "$4" = python ] || exec node "$2" "$3" --check 2>&1
PYTHONPATH="$1/code:$1/site" exec python3 -S -B "$2" "$3" --check 2>&1
