# Removes the releases below $1 but $2.
set -eu
find "$1" -mindepth 1 -maxdepth 1 ! -name "$2" -exec rm -rf {} +
