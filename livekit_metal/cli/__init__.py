"""The command ``livekit-metal``: a repository for a site, and the procedures from wherever the package is installed."""
