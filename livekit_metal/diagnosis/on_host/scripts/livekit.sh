# What a slot that runs says and has. For occupancy.sh
# shellcheck disable=SC2154
echo "$slot http $(curl -s -m 3 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$(port signal)/")"
curl -sf -m 2 "http://127.0.0.1:$(port metrics)/metrics" |
  sed -n "s/.*node_id=\"\(ND_[^\"]*\)\".*/$slot node \1/p" | head -n 1
sed -n "s/^ *\"node_ip\": \"\(.*\)\",\{0,1\}$/$slot node_ip \1/p" "$of/$slot.yaml"
echo "$slot keys $(sha256sum <"$of/keys.yaml" | cut -d ' ' -f 1)"
