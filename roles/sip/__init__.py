"""livekit-sip in slots behind Kamailio, and the trunks and rules that a site declares."""
