"""egress in slots: recordings of tracks, participants and rooms. A change starts beside the running one."""
