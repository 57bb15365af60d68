"""The hosts' own upgrades: what of them is due on a host, and the way of a host through them."""
