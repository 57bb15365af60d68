"""An SSH server on loopback that breaks at the stage that a test names."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import paramiko
from paramiko import common


@dataclass
class Server(paramiko.ServerInterface):
    """``breaks``: "" (never), "accept", "words", "kex", "nonsense", "login", "session", "command" or "quiet"."""

    breaks: str
    key: paramiko.PKey
    port: int = 0
    heard: list[str] = field(default_factory=list)  # global requests
    transports: list[paramiko.Transport] = field(default_factory=list)

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return common.AUTH_FAILED if self.breaks == "login" else common.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if self.breaks == "session":
            self.cut()
        return common.OPEN_SUCCEEDED

    def check_channel_direct_tcpip_request(self, chanid: int, origin: Any, destination: Any) -> int:
        return self.check_channel_request("direct-tcpip", chanid)

    def check_channel_exec_request(self, channel: Any, command: bytes) -> bool:
        if self.breaks == "command":
            channel.send(b"half an answ")
        if self.breaks in ("command", "quiet"):
            threading.Thread(target=self.cut, daemon=True).start()
        return True

    def check_global_request(self, kind: str, msg: Any) -> bool:
        self.heard.append(kind)
        return False

    def cut(self) -> None:
        """As a link that goes down, seen from the client's side at once."""
        time.sleep(0.05)  # the request is answered first
        for transport in self.transports:
            transport.close()

    def serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self.breaks == "words":
                sock.sendall(b"220 mail.example.net ESMTP\r\n")
            if self.breaks in ("kex", "nonsense"):
                sock.sendall(b"SSH-2.0-x\r\n")
            if self.breaks == "nonsense":
                sock.sendall(b"\0\0\0\x0c\x0a\x14" + bytes(20))
            if self.breaks in ("accept", "words", "kex", "nonsense"):
                sock.settimeout(2)
                sock.recv(64)
                sock.close()
                return
        transport = paramiko.Transport(sock)
        transport.add_server_key(self.key)
        self.transports.append(transport)
        with contextlib.suppress(Exception):
            transport.start_server(server=self)


@contextlib.contextmanager
def serving(breaks: str = "") -> Iterator[Server]:
    """The server, on a port of its own."""
    server = Server(breaks, paramiko.ECDSAKey.generate())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.port = listener.getsockname()[1]

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=server.serve, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for transport in server.transports:
                transport.close()
