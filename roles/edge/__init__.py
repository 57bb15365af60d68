"""HAProxy on each host with a slot: it owns the stable ports and points at the active slot."""
