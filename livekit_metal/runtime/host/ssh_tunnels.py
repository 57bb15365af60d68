"""Ways to a port on a host's loopback, through the SSH connections that deploy: from this machine, from a peer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
from gevent.server import StreamServer
from paramiko import ChannelException
from pyinfra.api.host import Host

from livekit_metal.runtime.host.commands import HostError
from livekit_metal.runtime.host.connect_errors import BREAKS, broken, lost

_LOOPBACK = "127.0.0.1"
_PIECE = 65536  # bytes
_OPENS = 10  # s for a connection on the host to open
_PROHIBITED = 1  # "administratively prohibited" (RFC 4254, 5.1); 2 is a port where nobody listens
_FORBIDDEN = (
    "livekit.probe: the sshd of {} forwards no TCP ({}); set AllowTcpForwarding yes there, or the probe to host"
)


def client(host: Host) -> Any:
    """paramiko's client; None for a host that is not reached over SSH (@fake)."""
    return getattr(host.connector, "client", None)


@contextmanager
def tunnel(host: Host, port: int) -> Iterator[int]:
    """A port on this machine's loopback that leads to ``port`` on the host's. Raises HostError when sshd forbids it."""
    _may_forward(host, port)

    def relay(near: Any, _: Any) -> None:
        _join(near, host, port)

    server = StreamServer((_LOOPBACK, 0), relay)
    server.start()
    try:
        yield server.server_port
    finally:
        server.stop(timeout=1)


@contextmanager
def reverse(peer: Host, host: Host, port: int) -> Iterator[int]:
    """A port on ``peer``'s loopback that leads to ``port`` on ``host``'s, by way of this machine. Raises HostError."""
    _may_forward(host, port)
    transport = client(peer).get_transport()

    def relay(near: Any, _origin: Any, _server: Any) -> None:
        gevent.spawn(_join, near, host, port)  # the connection to the peer carries nothing until this returns

    try:
        there = transport.request_port_forward(_LOOPBACK, 0, relay)
    except BREAKS as error:
        raise HostError(broken(peer, error) if lost(peer) else _FORBIDDEN.format(peer.name, error)) from error
    try:
        yield there
    finally:
        transport.cancel_port_forward(_LOOPBACK, there)


def _open(host: Host, port: int) -> Any:
    transport = client(host).get_transport()
    return transport.open_channel("direct-tcpip", (_LOOPBACK, port), (_LOOPBACK, 0), timeout=_OPENS)


def _may_forward(host: Host, port: int) -> None:
    try:
        _open(host, port).close()
    except ChannelException as error:
        if error.code == _PROHIBITED:
            raise HostError(_FORBIDDEN.format(host.name, error.text)) from error
    except BREAKS as error:
        raise HostError(broken(host, error)) from error


def _join(near: Any, host: Host, port: int) -> None:
    """Carry bytes both ways until both ends have closed; when nobody listens, ``near`` sees its connection end."""
    try:
        far = _open(host, port)
    except BREAKS:
        near.close()
        return
    try:
        gevent.joinall([gevent.spawn(_pump, near.recv, far), gevent.spawn(_pump, far.recv, near)])
    finally:
        far.close()
        near.close()


def _pump(read: Callable[[int], bytes], to: Any) -> None:
    try:
        while piece := read(_PIECE):
            to.sendall(piece)
        to.shutdown_write() if hasattr(to, "shutdown_write") else to.shutdown(1)
    except OSError:
        pass  # the other direction ends too
