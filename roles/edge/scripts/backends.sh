# How requests fare that the edge sends on to other services. Four words for each: a URL as clients have it, curl's word
# for where the edge is (--connect-to), the URL as the service gets it, and where that is. What answers, whatever it says,
# is there; certificates are the edge's to judge. A line for each: `STATUS STATUS_OF_THE_SERVICE_ITSELF URL`.
ask() { curl -gsk -m 5 --noproxy '*' --connect-to "$2" -o /dev/null -w '%{http_code}' "$1" -H 'X-Forwarded-Proto: https'; }
while [ $# -ge 4 ]; do
  (through=$(ask "$1" "$2") itself=$(ask "$3" "$4"); echo "${through:-000} ${itself:-000} $1") &
  shift 4
done
wait
