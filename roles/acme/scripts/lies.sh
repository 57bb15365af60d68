# The certificate $1 that lies on a host: the request that it answers, when it begins and ends (Unix time), its
# fingerprint. In ISO 8601, as not every date(1) reads a name of a month.
[ -s "$1" ] || exit 0
sed -n 's/^# request /request /p' "$1"
for d in startdate enddate; do
  date -d "$(openssl x509 -noout -in "$1" -$d -dateopt iso_8601 | cut -d = -f 2)" "+$d %s"
done
echo "is $(openssl x509 -noout -in "$1" -fingerprint -sha1 | cut -d = -f 2 | tr -d :)"
