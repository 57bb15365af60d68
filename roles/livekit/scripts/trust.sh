# Sets t to a directory that goes with this program, with ca.pem: the CAs that livekit-server trusts. $1 its units. Go reads
# the system's list, and in place of /etc/ssl/certs the directory that the unit names (crypto/x509, root_unix.go). The slot
# that serves is asked: what the inventory says may not be deployed.
t=$(TMPDIR=/run mktemp -d 2>/dev/null || mktemp -d) || exit 1
trap 'rm -rf "$t"' EXIT
p=$(systemctl show -p MainPID -p ActiveState -- "$1" 2>/dev/null | awk 'BEGIN { RS = "" }
  /ActiveState=active(\n|$)/ && match($0, /MainPID=[1-9][0-9]*/) { p = substr($0, RSTART + 8, RLENGTH - 8) }
  END { print p }')
c=
[ -z "$p" ] || c=$(tr '\0' '\n' <"/proc/$p/environ" | sed -n 's/^SSL_CERT_DIR=//p')
cat /etc/ssl/certs/ca-certificates.crt >"$t/ca.pem"
[ -z "$c" ] || cat "$c"/* >>"$t/ca.pem"
shift
