"""Recordings by a browser: what is shown, and what is in the files."""
