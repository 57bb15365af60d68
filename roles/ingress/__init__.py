"""ingress in slots: streams come in by RTMP and WHIP, and stay with their slot when another takes the new ones."""
