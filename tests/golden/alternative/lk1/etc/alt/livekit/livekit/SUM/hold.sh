644 root:root
----------------------------------------
# Managed by livekit-metal; edit the inventory instead. Role: livekit
# Each time the unit stops, before SIGTERM. The last thing that livekit-server does is to write its heap profile to the
# pipe, when its rooms are closed and the connections that it has still work. While the pipe is full it waits there.
unit=$1 process=$2 pipe=$3 port=$4
[ -n "$process" ] || exit 0  # it ended by itself
drains() {
  [ -e "/run/systemd/system/$unit.d/90-livekit-metal-drain.conf" ] && [ "$(systemctl is-system-running)" != stopping ]
}
signalling() { ss -Htn state established "( sport = :$port and dst 127.0.0.2 )"; }
! drains || ! all=$(signalling) || [ -z "$all" ] ||
  dd if=/dev/zero of="$pipe" bs=4k oflag=nonblock conv=nocreat,notrunc 2>/dev/null
# To open a pipe waits for its other end: opened for both first, that is here already.
exec 3<>"$pipe" 4</proc/self/fd/3 3>&-
{
  # What cannot be counted is not nobody.
  while drains && { ! all=$(signalling) || [ -n "$all" ]; }; do sleep 1; done
  exec cat <&4 >/dev/null
} &
