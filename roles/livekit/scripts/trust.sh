# Sets t to a directory that goes with this program, with ca.pem: the CAs that livekit-server trusts. $1 its units. Go reads
# the system's list, and in place of /etc/ssl/certs the directory that the unit names (crypto/x509, root_unix.go). The slot
# that serves is asked: what the inventory says may not be deployed.
t=$(TMPDIR=/run mktemp -d 2>/dev/null || mktemp -d) || exit 1
trap 'rm -rf "$t"' EXIT
# Of its unit, not of its process: /proc/PID/environ is memory of the daemon, which may write there what it likes.
c=$(systemctl show -p ActiveState -p Environment -- "$1" 2>/dev/null | awk 'BEGIN { RS = "" }
  /ActiveState=active(\n|$)/ {
    c = match($0, /[= ]SSL_CERT_DIR=[^ \n]*/) ? substr($0, RSTART + 14, RLENGTH - 14) : ""
  }
  END { print c }')
cat /etc/ssl/certs/ca-certificates.crt >"$t/ca.pem"
[ -z "$c" ] || cat "$c"/* >>"$t/ca.pem"
shift
