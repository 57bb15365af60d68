# The client that the host has; each asks either server. Before the first deploy there is none.
# shellcheck disable=SC2034
client=$(command -v redis-cli || command -v valkey-cli)
