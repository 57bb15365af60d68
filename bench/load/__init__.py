"""What livekit-server costs under load, by configuration: its own CPU for each packet that it forwards."""
