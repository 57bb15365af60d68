"""The locks of fleets: what is wrong with one, and its packages, fetched by whoever wrote it."""
