"""Kamailio in front of livekit-sip: it owns the SIP ports and points at the active slot."""
