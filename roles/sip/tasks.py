"""livekit-sip: prepare brings release and generation to the host, activate has new calls go to them."""

from __future__ import annotations

from dataclasses import replace

from livekit_metal.core import shell
from livekit_metal.core.errors import Problem
from livekit_metal.core.types.duration import Duration
from livekit_metal.roles.sip.proof import Proof
from livekit_metal.roles.sip.settings import Settings
from livekit_metal.runtime.slots.daemon import SlottedDaemon
from livekit_metal.runtime.slots.switchover import Switchover

_TELL, _FINISH, _OCCUPANCY = (shell.program(__file__, name) for name in ("tell", "finish", "occupancy"))


class Sip(SlottedDaemon[Settings]):
    """Without Redis it does not start."""

    title, unit_noun, ask, proof = "livekit-sip", "phone calls", _OCCUPANCY, Proof
    healthy = ("200", "429")  # 429: it is busy

    def missing(self) -> Problem | None:
        own = self.settings
        if own.missing:
            remedy = f"store it: python -m procedures.secrets INVENTORY set {own.missing[0]}"
            return Problem("sip", f"{' and '.join(own.missing)} not among the secrets", remedy)
        return own.wrong[0] if own.wrong else super().missing()

    def switchover(self) -> Switchover:
        tell = shell.given(_TELL, self.settings.dispatch)
        grace = Duration(self.settings.patience + 30)  # it looks every 5 s whether calls are left
        return replace(super().switchover(), flip=tell, close=tell, signal="SIGTERM", finish=_FINISH, grace=grace)


DAEMON = Sip
