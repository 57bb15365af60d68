# Has rclone know the store, whose settings come by standard input, up to an empty line. $as makes a command egress'
# own.
while IFS= read -r line && [ -n "$line" ]; do export "RCLONE_CONFIG_STORE_$line"; done
rc() { ${as-} rclone --config= --retries 1 --low-level-retries 2 --contimeout 10s --timeout 60s "$@"; }
