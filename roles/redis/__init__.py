"""Redis: the bus and the memory of a LiveKit cluster."""
