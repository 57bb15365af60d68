"""A caller whose signalling is TLS (Debian's sipp has none): just enough of SIP for one call without sound."""

from __future__ import annotations

import re
import socket
import ssl
from pathlib import Path
from uuid import uuid4

from cryptography import x509


class Secure:
    """A TLS connection to Kamailio that trusts only ``ca``; one call at a time. Times out after ``within`` s."""

    def __init__(self, address: str, port: int, ca: Path, *, local: str, within: float = 20.0) -> None:
        context = ssl.create_default_context(cafile=str(ca))
        raw = socket.create_connection((address, port), timeout=within, source_address=(local, 0))
        self._tls = context.wrap_socket(raw, server_hostname=address)
        self._me = "{}:{}".format(*self._tls.getsockname()[:2])
        self._there, self._rest = f"{address}:{port};transport=tls", ""
        self._id, self._number, self._to, self._routes = uuid4().hex, 0, "", list[str]()
        self.caller, self._target = f"+1777{uuid4().int % 10**8:08}", ""

    @property
    def serial(self) -> int:
        """Of the certificate that was shown."""
        shown = self._tls.getpeercert(binary_form=True)
        assert shown
        return x509.load_der_x509_certificate(shown).serial_number

    def options(self) -> int:
        """The status of an OPTIONS."""
        self._number += 1
        self._send("OPTIONS", f"sip:{self._there}", f"<sip:{self._there}>")
        return self._answer()[0]

    def call(self, number: str, media: int) -> int:
        """Call ``number``, with sound expected at the UDP port ``media``; the final status."""
        self._number += 1
        host = self._me.partition(":")[0]
        body = (
            f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
            f"m=audio {media} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        )
        target = f"sip:{number}@{self._there}"
        self._send("INVITE", target, f"<{target}>", body)
        while (answer := self._answer())[0] < 200:
            pass
        status, text = answer
        if status == 200:
            self._to = re.search(r"^To: *(.*?)\r$", text, re.MULTILINE)[1]  # type: ignore[index]
            self._routes = re.findall(r"^Record-Route: *(.*?)\r$", text, re.MULTILINE)[::-1]
            self._target = re.search(r"^Contact: *<([^>]*)>", text, re.MULTILINE)[1]  # type: ignore[index]
            self._send("ACK", self._target, self._to)
        return status

    def hang_up(self) -> int:
        """The status of a BYE."""
        self._number += 1
        self._send("BYE", self._target, self._to)
        return self._answer()[0]

    def close(self) -> None:
        self._tls.close()

    def _send(self, method: str, target: str, to: str, body: str = "") -> None:
        lines = [
            f"{method} {target} SIP/2.0",
            f"Via: SIP/2.0/TLS {self._me};branch=z9hG4bK{uuid4().hex}",
            *(f"Route: {route}" for route in (self._routes if method in ("ACK", "BYE") else [])),
            "Max-Forwards: 70",
            f"From: <sip:{self.caller}@{self._me}>;tag={self._id[:8]}",
            f"To: {to}",
            f"Call-ID: {self._id}",
            f"CSeq: {self._number} {method}",
            f"Contact: <sip:{self.caller}@{self._me};transport=tls>",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        self._tls.sendall("\r\n".join([*lines, "", body]).encode())

    def _answer(self) -> tuple[int, str]:
        """The next answer: its status, and all of it."""
        while True:
            head, end, rest = self._rest.partition("\r\n\r\n")
            found = re.search(r"^Content-Length: *(\d+)", head, re.MULTILINE | re.IGNORECASE)
            if end and found and len(rest) >= int(found[1]):
                self._rest = rest[int(found[1]) :]
                said = re.match(r"SIP/2.0 (\d+)", head)
                if said:
                    return int(said[1]), head + end + rest[: int(found[1])]
                continue
            piece = self._tls.recv(65536)
            assert piece, "the connection was closed"
            self._rest += piece.decode()
