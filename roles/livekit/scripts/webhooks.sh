# Whether the URLs that are given are reached from here. A question without a body, to all at once: who answers, whatever
# he says, is reached. Certificates are judged by ca.pem (trust.sh, before this) alone; no proxy, as the unit has none. The
# line's last words are curl's own, %{exitcode} first (7.75).
# shellcheck disable=SC2154
for url in "$@"; do (
  echo "$url" "$(curl -gsI -m 5 --noproxy '*' --cacert "$t/ca.pem" --capath "$t/none" -o /dev/null \
    -w '%{exitcode} %{http_code} %{errormsg}' "$url")"
) & done
wait
