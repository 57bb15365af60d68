"""livekit-server in slots: a change starts beside the running one."""
