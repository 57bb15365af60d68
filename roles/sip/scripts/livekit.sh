# Whether LiveKit answers at $1.
code=$(curl -s -m 5 -o /dev/null -w '%{http_code}' "$1") || :
[ "$code" = 200 ] || {
  echo "ws_url: LiveKit at $1 answers with ${code:-nothing}; does a slot of livekit-server serve?"
  exit 1
}
