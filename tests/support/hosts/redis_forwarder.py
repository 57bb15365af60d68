"""What Redis has left, on a deployed host: addresses that go on leading to it until nobody uses them."""

from __future__ import annotations

from testinfra.host import Host

UNIT = "livekit-redis-forward.service"
# That nobody is connected means something when there was time to come back after a start of either.
_UNUSED = f"""
used() {{
  l=$(ss -Hltn --cgroup | awk '$NF ~ "/{UNIT}" {{ print $4 }}')
  [ -n "$l" ] && ss -Htn state established | awk '{{ print $3 }}' | grep -qxF "$l"
}}
while used; do sleep 0.2; done
for u in livekit-redis.service {UNIT}; do
  p=$(systemctl show -p MainPID --value $u)
  while [ $p != 0 ] && [ $(ps -o etimes= -p $p) -lt 10 ]; do sleep 0.2; done
done"""


def unused(host: Host) -> None:
    """Wait until nobody is connected to a former address on Redis' host, for good: the next deploy closes them."""
    host.check_output(_UNUSED)
