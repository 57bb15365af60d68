"""pyinfra reads this before any inventory: what holds for every run of this project."""

import livekit_metal

livekit_metal.configure()
