"""``livekit-metal init DIR``: a repository for a site of one's own, from answers on a terminal or from flags."""
