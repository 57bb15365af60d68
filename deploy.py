"""Bring hosts to what the inventory says: ``pyinfra inventories/NAME.py deploy.py``."""

import livekit_metal

livekit_metal.deploy()
