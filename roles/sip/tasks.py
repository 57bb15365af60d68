"""livekit-sip: prepare brings release and generation to the host, activate has new calls go to them."""

from __future__ import annotations

from dataclasses import replace

from livekit_metal.core.errors import Problem
from livekit_metal.core.types.duration import Duration
from livekit_metal.roles.sip.proof import Proof
from livekit_metal.roles.sip.settings import Settings
from livekit_metal.runtime.slots.daemon import SlottedDaemon
from livekit_metal.runtime.slots.switchover import Switchover

# New calls go to the slot whose line this is: Kamailio is told by the program that reads it there.
_TELL = 'write ${{slot:+"$component $slot"}}\n/bin/sh {}\n'
# At the deadline, $slot and $unit: a second signal would be ignored, so the calls' media is shut off, and livekit-sip
# hangs up with BYE as it does with everybody who has gone silent. Its unit removes the table when it has ended.
_FINISH = r"""f=$(readlink "/etc/systemd/system/$unit.d/50-generation.conf")
r=$(sed -n "s/^slot $slot .* rtp //p" "${f%/*}/ports"); [ -n "$r" ] || exit 0
nft -f - <<EOF
table inet livekit_metal_finish_sip_$slot {
  chain media { type filter hook prerouting priority -310; policy accept; udp dport $r drop; }
}
EOF"""
# The series appears with the first call: absent is none. Calls that still ring are not in it.
_OCCUPANCY = r"""metrics=$(port metrics)
  [ -z "$metrics" ] || ! all=$(curl -sf -m 2 "http://127.0.0.1:$metrics/metrics") ||
    printf '%s\n' "$all" | awk -v slot="$slot" '/^livekit_sip_calls_active[{ ]/ { n += $NF }
      END { print slot, "sessions", n + 0 }'"""


class Sip(SlottedDaemon[Settings]):
    """Without Redis it does not start."""

    title, noun, ask, proof = "livekit-sip", "phone calls", _OCCUPANCY, Proof
    healthy = ("200", "429")  # 429: it is busy

    def missing(self) -> Problem | None:
        own = self.settings
        if own.missing:
            remedy = f"store it: python -m procedures.secrets INVENTORY set {own.missing[0]}"
            return Problem("sip", f"{' and '.join(own.missing)} not among the secrets", remedy)
        return own.wrong[0] if own.wrong else super().missing()

    def switchover(self) -> Switchover:
        tell = _TELL.format(self.settings.dispatch)
        grace = Duration(self.settings.patience + 30)  # it looks every 5 s whether calls are left
        return replace(super().switchover(), flip=tell, close=tell, signal="SIGTERM", finish=_FINISH, grace=grace)


DAEMON = Sip
