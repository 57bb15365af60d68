# What the doctor asks a slot besides: a stream that nobody knows, of which livekit-server says so over Redis. The answer
# is 404; 503 when nothing was heard. Whoever says nothing is not asked more: that takes its time. $http is the answer of
# health before, $slot and `port` are those of the question.
# shellcheck disable=SC2154
if [ "$http" = 200 ]; then
  code=$(curl -s -m 6 -o /dev/null -w '%{http_code}' --data x \
    -H 'Content-Type: application/sdp' "http://127.0.0.1:$(port whip)/w/livekit-metal-asks") || :
  [ "$code" = 404 ] || echo "$slot unheard WHIP says $code"
fi
