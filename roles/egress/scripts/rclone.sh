# Has rclone know the store, whose settings come by standard input, up to an empty line. $as makes a command egress'
# own.
while IFS= read -r line && [ -n "$line" ]; do export "RCLONE_CONFIG_STORE_$line"; done
# What follows are CAs that are trusted besides the system's, for a program in Go.
if cas=$(cat) && [ -n "$cas" ]; then
  SSL_CERT_DIR=$(mktemp -d)
  trap 'rm -rf "$SSL_CERT_DIR"' EXIT
  chmod 755 "$SSL_CERT_DIR"
  printf '%s\n' "$cas" >"$SSL_CERT_DIR/ca.pem"
  chmod 644 "$SSL_CERT_DIR/ca.pem"
  export SSL_CERT_DIR
fi
rc() { ${as-} rclone --config= --retries 1 --low-level-retries 2 --contimeout 10s --timeout 60s "$@"; }
