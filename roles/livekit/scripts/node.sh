# The node id of the livekit-server with the metrics port $1.
node() {
  curl -s -m 2 "http://127.0.0.1:$1/metrics" | sed -n 's/.*node_id="\(ND_[^"]*\)".*/\1/p' | head -n 1
}
