# A room, and a dispatch that only the worker on a port can get, until its agent is there. The words, by standard input:
#   token url room port
#   speaks: 1 when the agent must publish sound, too
#   within: s
#   made asked: bodies of the two requests
# A dispatch that comes before the node knows of the worker gets nobody, and nobody tries it again: another one is made,
# unless a job waits for its process (`pending`).
token=$1 url=$2 room=$3 port=$4
speaks=$5 within=$6 made=$7 asked=$8
call() {
  curl -s -m 10 -K /dev/fd/3 -H 'Content-Type: application/json' -w '\n%{http_code}\n' -d "$2" "$url.$1" 3<<END
header = "Authorization: Bearer $token"
END
}
must() { said=$(call "$@"); case $said in *200) ;; *) echo "LiveKit refuses $1: $(printf %s "$said" | tr '\n' ' ')" >&2
  exit 1 ;; esac; }
must RoomService/CreateRoom "$made"
trap 'call RoomService/DeleteRoom "{\"room\":\"$room\"}" >/dev/null' EXIT
end=$(($(date +%s) + within)) next=0 mine=
while :; do
  now=$(date +%s)
  worker=$(curl -s -m 2 "http://127.0.0.1:$port/worker")
  case $worker in *"\"$room\""*) mine=1 ;; esac
  case $worker in *'"jobs_lost": '[1-9]*) echo "the process of its job ended before the job" >&2; exit 1 ;; esac
  people=$(call RoomService/ListParticipants "{\"room\":\"$room\"}" | tr -d ' \n')
  case $people in *'"kind":"AGENT"'*) here=1 ;; *) here= ;; esac
  case $people in *'"type":"AUDIO"'*) sound=1 ;; *) sound= ;; esac  # nobody else is in the room
  [ -z "$mine" ] || [ -z "$here" ] || { [ -n "$speaks" ] && [ -z "$sound" ]; } || { echo joined; exit 0; }
  if [ "$now" -ge "$end" ]; then
    [ -n "$here" ] || [ -n "$mine" ] || { echo "it takes no job" >&2; exit 1; }
    [ -n "$mine" ] || { echo "another worker got the job: does livekit-server know deployments?" >&2; exit 1; }
    [ -n "$here" ] || { echo "it has taken a job, and its agent does not join the room" >&2; exit 1; }
    echo "its agent has joined the room and publishes no sound" >&2; exit 1
  fi
  case $worker in *'"pending": '[1-9]*) next=$((now + 8)) ;; esac
  [ -n "$mine" ] || [ "$now" -lt "$next" ] || { must AgentDispatchService/CreateDispatch "$asked"; next=$((now + 8)); }
  sleep 0.5
done
