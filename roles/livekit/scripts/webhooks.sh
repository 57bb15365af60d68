# Whether the URLs that are given are reached from here. A question without a body, to all at once: who answers, whatever
# he says, is reached. Certificates are judged by the system's own list, which Go reads too (crypto/x509:
# /etc/ssl/certs/ca-certificates.crt); no proxy, as the unit has none. The line's last words are curl's own, %{exitcode}
# first (7.75).
for url in "$@"; do (
  echo "$url" "$(curl -gsI -m 5 --noproxy '*' -o /dev/null -w '%{exitcode} %{http_code} %{errormsg}' "$url")"
) & done
wait
