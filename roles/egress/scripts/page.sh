# $1 URL of a page that a browser is to record: it must answer, and have a script. What comes by standard input are CAs
# that the browser trusts besides the system's.
if cas=$(cat) && [ -n "$cas" ]; then
  both=$(mktemp)
  trap 'rm -f "$both"' EXIT
  { cat /etc/ssl/certs/ca-certificates.crt; printf '%s\n' "$cas"; } >"$both"
fi
said=$(curl -sS -m 10 -f -L ${both:+--cacert "$both"} "$1" 2>&1) || { echo "${said##*curl: }" >&2; exit 1; }
case $said in *"<script"*) ;; *) echo "it has no script" >&2; exit 1 ;; esac
