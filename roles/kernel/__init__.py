"""Kernel settings for UDP media: raised only, never lowered."""
