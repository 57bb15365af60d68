# Sends a test event to each URL, as livekit-server sends its own (protocol, webhook/url_notifier.go), and tells what came
# back. After trust.sh; $1 the seconds that each has, then for each URL: its number, itself, the host in it, the port, the
# option by which OpenSSL compares the host ('' without TLS), the event, the token that signs it. Each line begins with the
# number.
#   came EXIT STATUS NAME CONNECT TLS TOTAL ADDRESS     curl's exit, HTTP's status, seconds since it began
#   leads URL, error TEXT                               of a redirect; in curl's words
#   body TEXT      the beginning of the answer
#   found ADDRESS  where the name leads for a program that asks /etc/hosts and DNS and nobody else, as Go without libc
#   sent, by, until, verify, names: the chain that a server of TLS sends, OpenSSL's judgement of it with the CAs of
#                  livekit-server, and the names of its certificate, without which Go takes none
# The token is given to curl on standard input: others may read the words of a process.
# shellcheck disable=SC2154
send() { # number, URL, host, port, option, event, token
  w='%{stderr}%{exitcode} %{http_code} %{time_namelookup} %{time_connect} %{time_appconnect} %{time_total} '
  printf 'Authorization: %s\n' "$7" | curl -gs -m "$s" --noproxy '*' --cacert "$t/ca.pem" --capath "$t/none" \
    -H @- -H 'Content-Type: application/webhook+json' -A LiveKit --data-raw "$6" \
    -w "$w"'%{remote_ip}\n%{redirect_url}\n%{errormsg}\n' "$2" 2>"$t/came$1" |
    { head -c 300 | tr -c '[:print:]' ' '; cat >/dev/null; } >"$t/body$1"
  awk -v n="$1" 'BEGIN { split("came leads error", w) } NR < 4 { print n, w[NR], $0 }' "$t/came$1"
  echo "$1 body $(cat "$t/body$1")"
  getent -s 'hosts:files dns' ahosts "$3" | awk -v n="$1" '!seen[$1]++ { print n, "found", $1 }'
  [ -z "$5" ] || chain "$1" "$3" "$4" "$5" "$(sed '1!d; s/.* //' "$t/came$1")"
}
chain() { # number, host, port, option, address
  case $5 in "") return ;; *:*) a="[$5]:$3" ;; *) a=$5:$3 ;; esac
  n=$1
  set -- "$4" "$2"
  [ "$1" = -verify_ip ] || set -- "$@" -servername "$2"
  timeout "$s" openssl s_client -connect "$a" "$@" -CAfile "$t/ca.pem" -no-CApath -showcerts \
    </dev/null >"$t/tls$n" 2>/dev/null
  sed -n 's/^ *[0-9] s:/sent /p; s/^ *i:/by /p; s/^ *v:.*NotAfter: /until /p; s/^Verify return code: /verify /p
    s/^ *Verify return code: /verify /p' "$t/tls$n" | awk -v n="$n" '!($1 == "verify" && seen++) { print n, $0 }'
  openssl x509 -noout -ext subjectAltName <"$t/tls$n" 2>/dev/null | sed -n "s/^ *\(DNS\|IP\)/$n names \1/p"
}
s=$1
shift
while [ $# -gt 6 ]; do
  send "$1" "$2" "$3" "$4" "$5" "$6" "$7" &
  shift 7
done
wait
