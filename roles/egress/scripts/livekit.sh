# $1 URL: the edge may have to see first that livekit-server answers.
end=$(($(date +%s) + 15))
until said=$(curl -s -m 3 -o /dev/null -w "%{http_code}" "$1") && [ "$said" = 200 ]; do
  [ "$(date +%s)" -lt "$end" ] || { echo "status $said" >&2; exit 1; }
  sleep 0.3
done
