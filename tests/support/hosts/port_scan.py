"""Listeners and probes, for tests of the firewall. They run where there is no more than a minimal python3: on hosts.

Places are written ``tcp:22``. ``scan.py listen`` takes places on a line of standard input, binds what is free on all
addresses, answers ``taken`` and the places that were not, and serves until its input ends. ``scan.py probe ADDRESS
SECONDS`` takes places likewise and answers a line for each from which something came: ``open`` (it took the connection
or answered the datagram) or ``refused`` (by the host itself). The rest was silent for all of the seconds.
"""

from __future__ import annotations

import errno
import selectors
import socket
import sys
import time

BATCH = 16000  # sockets at once
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def places() -> list[tuple[str, int]]:
    pairs = [word.split(":") for word in sys.stdin.readline().split()]
    return [(proto, int(port)) for proto, port in pairs]


def listen() -> None:
    """Until the one who started us is gone: an SSH connection that breaks ends the listeners too."""
    waiting = selectors.DefaultSelector()
    taken = []
    for proto, port in places():
        one = socket.socket(socket.AF_INET6, KINDS[proto])
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if proto == "tcp":  # connections of the last listener may linger; where a daemon listens this changes nothing
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("::", port))
            if proto == "tcp":
                one.listen(64)
        except OSError:
            taken.append(f"{proto}:{port}")
            one.close()
            continue
        one.setblocking(False)
        waiting.register(one, selectors.EVENT_READ, proto)
    print("taken", *taken, flush=True)
    waiting.register(sys.stdin, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.fileobj is sys.stdin:
                return
            assert isinstance(key.fileobj, socket.socket)
            _serve(key.fileobj, key.data)


def _serve(one: socket.socket, proto: str) -> None:
    try:
        if proto == "tcp":
            link, _ = one.accept()
            link.close()
        else:
            data, sender = one.recvfrom(100)
            one.sendto(data, sender)
    except OSError:  # whoever asked is gone
        pass


def probe(address: str, seconds: float) -> None:
    """Try all places, many at once. A scope (``fe80::1%eth0``) is one of this machine."""
    batch = _most_sockets()
    everywhere = places()
    for start in range(0, len(everywhere), batch):
        for outcome, proto, port in _batch(address, everywhere[start : start + batch], seconds):
            print(f"{outcome} {proto}:{port}")


def _most_sockets() -> int:
    try:
        import resource  # noqa: PLC0415 - a minimal python3 lacks it
    except ImportError:
        return 900
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    return min(BATCH, limit - 50)


def _batch(address: str, ports: list[tuple[str, int]], seconds: float) -> list[tuple[str, str, int]]:
    waiting = selectors.DefaultSelector()
    for proto, port in ports:
        family, kind, _, _, target = socket.getaddrinfo(address, port, type=KINDS[proto], flags=socket.AI_NUMERICHOST)[
            0
        ]
        one = socket.socket(family, kind)
        one.setblocking(False)
        one.connect_ex(target)
        if proto == "udp":
            one.send(b"?")
        waiting.register(one, selectors.EVENT_WRITE if proto == "tcp" else selectors.EVENT_READ, (proto, port))
    outcomes = []
    end = time.monotonic() + seconds
    while waiting.get_map() and time.monotonic() < end:
        for key, _ in waiting.select(end - time.monotonic()):
            waiting.unregister(key.fileobj)
            assert isinstance(key.fileobj, socket.socket)
            error = key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            key.fileobj.close()
            if error in (0, errno.ECONNREFUSED):
                outcomes.append(("refused" if error else "open", *key.data))
    for key in list(waiting.get_map().values()):
        assert isinstance(key.fileobj, socket.socket)
        key.fileobj.close()
    return outcomes


if __name__ == "__main__":
    if sys.argv[1] == "listen":
        listen()
    else:
        probe(sys.argv[2], float(sys.argv[3]))
