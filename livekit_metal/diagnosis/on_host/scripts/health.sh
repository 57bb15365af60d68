# What a slot says of itself. Of the keys a host tells only what they hash to (services.py). For occupancy.sh
# shellcheck disable=SC2154
http=$(curl -s -m 3 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$(port health)/") || :
echo "$slot http $http"
echo "$slot keys $(sed -n 's/^  "api_\(key\|secret\)": "\(.*\)",\{0,1\}$/\1 \2/p' "$of/$slot.yaml" |
  sort | sha256sum | cut -d ' ' -f 1)"
