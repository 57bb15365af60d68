"""Runs where a stranger is: tries a TCP port until its input ends; prints how often, and how often it was let in."""

import select
import socket
import sys

address, port = sys.argv[1], int(sys.argv[2])
tried = let_in = 0
while not select.select([sys.stdin], [], [], 0.05)[0]:
    tried += 1
    try:
        socket.create_connection((address, port), timeout=0.3).close()
    except OSError:
        continue
    let_in += 1
print(tried, let_in)
