"""Kinds of text in an inventory, each checked in one place, so that no value can become something else further on.

A settings class writes ``address: Address = option(…)``: to Python and mypy that is ``str``, to :mod:`.core.fields` a
text of this kind. What says no more than ``str`` is a :data:`Line`. '' is allowed where it is the default: not set.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from livekit_metal.core.types.dns_names import is_domain

LONGEST = 4096  # characters of any text: no setting is a document
# What turns the order of what is read around (UAX #9): a reader sees another value than a program.
_NEVER = frozenset(map(chr, (0, *range(0xD800, 0xE000))))  # ends a text in C; half a character, of no encoding
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Kind:
    """``said`` completes "… is not …"; ``empty``: '' is one of these."""

    said: str
    check: Callable[[str], bool]
    remedy: str
    empty: bool = False
    longest: int = LONGEST
    breaks: bool = False  # it may have several lines

    def problem(self, value: str) -> tuple[str, str] | None:
        """Fact and remedy of what is wrong with ``value``, if anything is."""
        if len(value) > self.longest:
            return f"has {len(value)} characters", f"write {self.longest} at most"
        if bad := next((char for char in value if not (self.breaks or _shows(char)) or char in _NEVER), ""):
            return f"has the character U+{ord(bad):04X} in it", "write one line of plain text"
        if (not value and not self.empty) or (value and not self.check(value)):
            return f"{value!r} is not {self.said}", self.remedy
        return None


def _shows(char: str) -> bool:
    return char not in _BIDI and unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp")


def _matches(pattern: str) -> Callable[[str], bool]:
    return lambda value: re.fullmatch(pattern, value, re.ASCII) is not None


def is_address(value: str) -> bool:
    """Whether ``value`` is an IP address; not one with a zone (RFC 4007), which may hold anything after its %."""
    try:
        return "%" not in value and bool(ipaddress.ip_address(value))
    except ValueError:
        return False


def is_network(value: str) -> bool:
    """Whether ``value`` is an address or a network without host bits, and without a zone."""
    try:
        return "%" not in value and bool(ipaddress.ip_network(value))
    except ValueError:
        return False


def is_endpoint(value: str) -> bool:
    """Whether ``value`` is host:port, the host a name, an IPv4 address or an IPv6 address in brackets."""
    host, _, port = value.rpartition(":")
    inner = host[1:-1] if host[:1] + host[-1:] == "[]" else ""
    named = is_address(inner) if inner else _matches(r"[A-Za-z0-9._-]{1,253}")(host)
    return named and re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) is not None and 1 <= int(port) <= 65535


def is_url(value: str) -> bool:
    """Whether ``value`` is scheme://host with whatever may follow in a URL (RFC 3986), and that can be taken apart."""
    if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[A-Za-z0-9._~:/?#\[\]@!&'()*+,;=%-]+", value, re.ASCII):
        return False
    try:
        parts = urlsplit(value)
        return bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def is_web_url(value: str) -> bool:
    """Whether ``value`` is a URL that an HTTP client can ask: of http or https, without a fragment."""
    return is_url(value) and value.startswith(("http://", "https://")) and "#" not in value


def _is_host_path(value: str) -> bool:
    return bool(re.fullmatch(r"(/[A-Za-z0-9_.+@~-]+)+/?", value, re.ASCII)) and ".." not in value.split("/")


def _is_file(value: str) -> bool:
    """Every part of a name has 255 bytes at most (NAME_MAX of Linux)."""
    return all(len(part.encode()) <= 255 for part in value.split("/"))


Line = Annotated[str, Kind("text", lambda _: True, "", empty=True)]
# What only ever goes into JSON.
Text = Annotated[str, Kind("text", lambda _: True, "", empty=True, breaks=True, longest=65536)]
Address = Annotated[str, Kind("an IP address", is_address, "write an IP address; names are for ssh.config")]
Network = Annotated[str, Kind("a network", is_network, "write one such as 192.0.2.0/24, without host bits")]
Endpoint = Annotated[str, Kind("host:port", is_endpoint, "write it as 10.0.0.5:53 or [fd00::5]:53")]
Url = Annotated[str, Kind("a URL", is_url, "write scheme, host and what follows: https://s3.example.com")]
WebUrl = Annotated[str, Kind("an http or https URL", is_web_url, "write it as https://app.example.com/hook")]
Domain = Annotated[str, Kind("a name for clients", is_domain, "write one such as lk.example.org")]
# Plain characters only: they stand in units (where % and $ mean something), in scripts and in HAProxy's configuration.
HostPath = Annotated[
    str, Kind("a path on a host", _is_host_path, "write an absolute path of letters, digits and . _ + @ ~ -")
]
File = Annotated[str, Kind("a file name", _is_file, "write a path on this machine")]
Package = Annotated[
    str,
    Kind("a Debian package", _matches(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?"), "write it as `apt-cache search` does"),
]
Interface = Annotated[
    str, Kind("a network interface", _matches(r"[A-Za-z0-9_.:@-]{1,15}"), "write its name as `ip link` does")
]
User = Annotated[
    str, Kind("the name of a user", _matches(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}\$?"), "write it as `id -un` does")
]
# Identifiers of others' systems: buckets, regions, access keys, ACL users.
Word = Annotated[str, Kind("a single word", _matches(r"[!-~]{1,512}"), "write it without blanks, in ASCII")]
Variable = Annotated[str, Kind("a variable", _matches(r"[A-Za-z_][A-Za-z0-9_]*"), "use letters, digits and _")]


def plain(value: object, path: str) -> tuple[str, str, str] | None:
    """Path, fact and remedy of what JSON, YAML or a reader could not take in ``value`` (an upstream option)."""
    if isinstance(value, str):
        said = kind_of(Text).problem(value)
        return (path, *said) if said else None
    if value is None or isinstance(value, (bool, int)):
        return None
    if isinstance(value, float):
        return None if value - value == 0 else (path, f"is {value}", "write a finite number")
    if isinstance(value, Mapping):
        parts = [(f"{path}.{key}", part) for key, part in value.items()]
        if strange := [key for key in value if not isinstance(key, str)]:
            return path, f"has the key {strange[0]!r}", "write keys as text"
        parts += [(path, key) for key in value]
    elif isinstance(value, (list, tuple)):
        parts = [(f"{path}[{i}]", part) for i, part in enumerate(value)]
    else:
        return path, f"is {value!r} ({type(value).__name__})", "write text, numbers, lists or mappings"
    return next((found for where, part in parts if (found := plain(part, where))), None)


def kind_of(hint: object) -> Kind:
    """The kind of an annotated text."""
    found: Kind = hint.__metadata__[0]  # type: ignore[attr-defined]
    return found
