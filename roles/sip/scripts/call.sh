# Asks LiveKit's API for SIP. $1 its URL, $2 a token, then of each call: a line that is to come before the answer (''
# for none), the name, the body. Bodies (passwords and PINs are in them) go on by standard input, the token by a file
# descriptor of its own: no argument list has them.
url=$1 token=$2
shift 2
while [ $# -gt 0 ]; do
  [ -z "$1" ] || echo "$1"
  printf '%s\n' "$3" | curl -s -m 10 -K /dev/fd/3 -H 'Content-Type: application/json' -w '\n%{http_code}\n' \
    --data-binary @- "$url/$2" 3<<END
header = "Authorization: Bearer $token"
END
  shift 3
done
