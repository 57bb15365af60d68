# A stream that nobody knows: livekit-server says so over Redis. Answers 404; 503 when nothing was heard. Whoever says
# nothing is not asked more: that takes its time. After health.sh
# shellcheck disable=SC2154
[ "$http" != 200 ] || echo "$slot heard $(curl -s -m 6 -o /dev/null -w '%{http_code}' --data x \
  -H 'Content-Type: application/sdp' "http://127.0.0.1:$(port whip)/w/livekit-metal-asks")"
