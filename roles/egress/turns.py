"""What a deploy does about egress."""

from __future__ import annotations

from livekit_metal.roles.egress.settings import Settings
from livekit_metal.roles.egress.tasks import Egress
from livekit_metal.runtime.slots.turns import turns

prepare, services = turns(Egress, Settings)
