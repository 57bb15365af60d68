"""A real call through a running LiveKit: two clients, one room, sound that proves it is alive.

``python -m livekit_metal.call --access .lab/access.json`` makes one and says how it went; tests use
:class:`livekit_metal.call.client.Call`. A call runs in a thread of its own, so a test may block as long as it likes
without showing up as a gap. Code under gevent's monkey patching (a pyinfra run) has no such threads: it starts the
command and reads its ``--json``; what it imports from here must not load the SDK.
"""
