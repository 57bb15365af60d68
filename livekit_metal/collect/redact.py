"""Secrets out of text: every value of the vault in whatever form it stands there, and what has the shape of a secret.

The shapes are for what the vault does not know: tokens that clients sent, keys of streams, passwords of SIP trunks.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Iterator

MASK = "███"  # of characters that no secret has, so that a mask is never taken for a value
_SHORTEST = 4  # characters of a piece of Base64 that still says something

_WORDS = r"secret|passw(?:or)?d|passphrase|token|credential|private_?key|api_?key|auth_pass|stream_?key|pwd|requirepass"
_SHAPES = (
    # of JSON Web Tokens, whole: what is in them names people and rooms
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]{5,}"), MASK),
    (
        re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END|\Z)", re.DOTALL),
        rf"\1{MASK}\2",
    ),
    (re.compile(r"(://[^/\s:@\"']*:)[^/\s@\"']+@"), rf"\1{MASK}@"),
    (re.compile(r"(?i)\b((?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?\w+\s+)[^\r\n]+"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}"), rf"\1{MASK}"),
    # of signed URLs
    (
        re.compile(r"(?i)([?&](?:x-amz-[\w-]+|x-goog-[\w-]+|sig|signature|key|access_token)=)[^&\s\"']+"),
        rf"\1{MASK}",
    ),
    # a stream's key is the end of its path, or a parameter
    (re.compile(r"(?i)\b(rtmps?://[^/\s]+/[^/\s]+/)[^\s\"'?]+"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b(streamid=)[^&\s\"']+"), rf"\1{MASK}"),
    # of media (SDP, RFC 4568), and of chats' webhooks
    (re.compile(r"\binline:[\w+/=|:]+"), f"inline:{MASK}"),
    (re.compile(r"(hooks\.slack\.com/services/)[^\s\"']+"), rf"\1{MASK}"),
    # a name that says what it is, and its value
    (
        re.compile(
            rf"(?i)((?:{_WORDS})[\w.-]*\\?[\"']?\s*[:=]\s*)"
            r"(?:\\?\"(?:[^\"\\]|\\.)*\\?\"|'[^']*'|[^\s;&}\]\"']+)"
        ),
        rf"\1{MASK}",
    ),
)


class Redactor:
    """Takes ``values`` out. Longer ones go first: one may be a part of another."""

    mask = MASK

    def __init__(self, values: Iterable[str]) -> None:
        longest_first = sorted({value for value in values if value}, key=len, reverse=True)
        self._literal = [form for value in longest_first for form in (value, *_encoded(value))]
        # those that are escaped somewhere: a search for each is slow, and few are so
        self._escaped = [re.compile(_escapes(value)) for value in longest_first if not _is_plain(value)]

    def __call__(self, text: str) -> str:
        """``text`` without secrets."""
        for form in self._literal:
            text = text.replace(form, MASK)
        for escaped in self._escaped:
            text = escaped.sub(MASK, text)
        for shape, instead in _SHAPES:
            text = shape.sub(instead, text)
        return text

    def left(self, text: str) -> bool:
        """Whether a value stands in ``text`` still, in any of its forms."""
        return any(form in text for form in self._literal) or any(form.search(text) for form in self._escaped)


def _is_plain(value: str) -> bool:
    return value.isascii() and value.isalnum()


def _escapes(value: str) -> str:
    """``value`` with any of its characters escaped, for URLs, JSON, HTML, Python or a shell."""
    return "".join(map(_character, value))


def _character(char: str) -> str:
    if _is_plain(char):
        return char
    data = char.encode()
    ways = {
        re.escape(char),
        rf"\\+{re.escape(char)}",
        "(?i:" + "".join(f"%{byte:02x}" for byte in data) + ")",
        "(?i:" + "".join(rf"\\+x{byte:02x}" for byte in data) + ")",
        rf"(?i:\\+u{ord(char):04x})",
        rf"(?i:&#x0*{ord(char):x};)",
        rf"&#0*{ord(char)};",
        re.escape(html.escape(char)),
    }
    ways |= {r"\+"} if char == " " else set()
    ways |= {"''", r"'\\''", "'\"'\"'"} if char == "'" else set()
    return "(?:" + "|".join(sorted(ways, key=len, reverse=True)) + ")"


def _encoded(value: str) -> Iterator[str]:
    """``value`` in hex and in Base64, longest first."""
    data = value.encode()
    pieces = {piece for begins in range(3) for piece in _pieces(data, begins) if len(piece) >= _SHORTEST}
    yield from (data.hex(), data.hex().upper(), *sorted(pieces, key=len, reverse=True))


def _pieces(data: bytes, begins: int) -> Iterator[str]:
    """What of Base64 depends on ``data`` alone, after ``begins`` bytes of something else (as of ``user:password``)."""
    first, last = -(-begins * 8 // 6), (begins + len(data)) * 8 // 6
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(b"\0" * begins + data).decode()[first:last]
