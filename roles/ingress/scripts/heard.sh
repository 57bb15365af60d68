# A stream that nobody knows: livekit-server says so over Redis. $1 the port of WHIP. For until.sh
said=$(curl -s -m 8 -w ' %{http_code}' -H 'Content-Type: application/sdp' --data x \
  "http://127.0.0.1:$1/w/livekit-metal-asks") || :
case $said in *" 404") ;; *) echo "WHIP says: $said"; return 1 ;; esac
