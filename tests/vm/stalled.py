"""Runs on a host: a burst to a socket whose reader stands still. Prints how many packets were sent, and are there."""

import socket
import sys

PACKET = b"v" * 1200  # of video
BURST = 450  # a quarter of a second of 1800 packets a second

reader = socket.socket(type=socket.SOCK_DGRAM)
if asks := int(sys.argv[1]):
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, asks)
reader.bind(("127.0.0.1", 0))
with socket.socket(type=socket.SOCK_DGRAM) as sender:
    for _ in range(BURST):
        sender.sendto(PACKET, reader.getsockname())
reader.setblocking(False)
arrived = 0
try:
    while reader.recv(2000):
        arrived += 1
except BlockingIOError:
    pass
print(BURST, arrived)
