# The way by which this SSH connection (s, from connection.sh) comes.
#   dev INTERFACE TYPE   where its answers go; of type "local" when they go to the host itself
#   ipsec_from NETWORK   whom IPsec's policies for what comes in are about
# and the rest only when that is no device of hardware:
#   process PID          who has the other end of it (tun)
#   port N               WireGuard's
# shellcheck disable=SC2154,SC2086 # s is set, and several words
set -- $s
d=
case ${1-} in
  "") ;;
  *%*) d=${1#*%}; echo "dev $d" ;;
  *) r=$(ip -o route get "$1" from "$3" 2>/dev/null || ip -o route get "$1"); d=${r#* dev }; d=${d%% *}
     echo "dev $d ${r%% *}" ;;
esac
ip xfrm policy 2>/dev/null | awk '/^src/ { s = $2 } $1 == "dir" && $2 == "in" { print "ipsec_from", s }'
from=${1-}
echo "from ${from%%%*}"
case $(readlink "/sys/class/net/$d") in */virtual/*|"") ;; *) exit ;; esac
for f in -4 -6; do ip -o $f route show default | sed -n 's/.* dev \([^ ]*\).*/default \1/p'; done
[ ! -e "/sys/class/net/$d/tun_flags" ] || grep -s "^iff:[[:space:]]*$d\$" /proc/[0-9]*/fdinfo/* |
  sed 's#^/proc/\([0-9]*\)/.*#process \1#' | sort -u
wg show "$d" listen-port 2>/dev/null | sed 's/^/port /'
echo "span $(cat /proc/sys/net/ipv4/ip_local_port_range)"
ss -Hlntup --cgroup | sed 's/^/socket /'
