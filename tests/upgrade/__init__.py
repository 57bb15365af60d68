"""Calls through every kind of change: the table that shows what a deploy does to people who talk.

``python -m tests.upgrade`` makes a lab of its own, takes a call through each row of rows.py, beside a control call on a
livekit-server that nobody touches, prints the table and removes the lab. rows (what is changed) -> run (one row under
a call) -> ground (the lab and what is deployed on it); judge says what a row may do to the call, document writes
docs/call-safety.md.
"""
