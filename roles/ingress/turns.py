"""What a deploy does about ingress."""

from __future__ import annotations

from livekit_metal.roles.ingress.settings import Settings
from livekit_metal.roles.ingress.tasks import Ingress
from livekit_metal.runtime.slots.turns import turns

prepare, services = turns(Ingress, Settings)
