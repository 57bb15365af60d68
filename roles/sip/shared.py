"""Options that trunks, calls out and rules have alike: headers, attributes, encryption, silence.

What is left out is not touched: whoever sets it on LiveKit's object by hand keeps it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from livekit_metal.core.errors import Problem
from livekit_metal.core.fields import Checked, option
from livekit_metal.core.types.duration import Duration
from livekit_metal.core.types.text import Kind, Text

# What goes into a header of a call: protocol's ValidateHeaderName and ValidateHeaderValue.
Header = Annotated[
    str,
    Kind(
        "a name of a header of yours",
        lambda value: re.fullmatch(r"[XP]-[A-Za-z0-9-]{1,62}", value, re.ASCII | re.IGNORECASE) is not None,
        "write one such as X-Queue",
    ),
]
Value = Annotated[
    str, Kind("a value of a header", lambda value: value.isascii(), "write ASCII", empty=True, longest=1024)
]
MOST_SILENCE = 600  # s, protocol's MaxSIPMediaTimeout


@dataclass(frozen=True, slots=True, kw_only=True)
class Media(Checked):
    """How a call sounds."""

    encryption: Literal["disable", "allow", "require"] | None = option(None, "SRTP (media.encryption)")
    media_timeout: Duration | None = option(
        None, "seconds without a packet of sound until a call is hung up; left out: sip.media_timeout"
    )

    def problems(self, path: str) -> Iterator[Problem]:
        if self.media_timeout is not None:
            yield from silence(self.media_timeout, f"{path}.media_timeout")
        yield from self.more_problems(path)

    def more_problems(self, path: str) -> Iterator[Problem]:
        """What else is wrong."""
        yield from ()

    def media(self) -> dict[str, Any]:
        """The field ``media`` of LiveKit's object, as far as it is said here."""
        made: dict[str, Any] = {}
        if self.encryption is not None:
            made["encryption"] = f"SIP_MEDIA_ENCRYPT_{self.encryption.upper()}"
        if self.media_timeout is not None:
            made["media_timeout"] = seconds(self.media_timeout)
        return {"media": made} if made else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped(Media):
    """Headers of calls, and attributes of their participants."""

    headers: Mapping[Header, Value] = option({}, "headers that we send")
    headers_to_attributes: Mapping[Header, Text] = option({}, "their header -> attribute of the participant")
    attributes_to_headers: Mapping[Text, Header] = option({}, "attribute -> header that we send in BYE and REFER")
    include_headers: Literal["none", "x", "all"] | None = option(
        None, "their headers that become attributes sip.h.*: none, those with X-, all"
    )

    def mapped(self) -> dict[str, Any]:
        """The fields of LiveKit's object, as far as they are said here."""
        names = ("headers", "headers_to_attributes", "attributes_to_headers")
        made: dict[str, Any] = {name: dict(found) for name in names if (found := getattr(self, name))}
        if self.include_headers is not None:
            said = {"none": "SIP_NO_HEADERS", "x": "SIP_X_HEADERS", "all": "SIP_ALL_HEADERS"}
            made["include_headers"] = said[self.include_headers]
        return made | self.media()


def seconds(length: Duration) -> str:
    """A length of time in protobuf's JSON."""
    return f"{int(length)}s"


def silence(length: Duration, path: str) -> Iterator[Problem]:
    """What is wrong with a time after which a silent call is hung up."""
    if not 1 <= length <= MOST_SILENCE:
        yield Problem(path, f"is {length}", "choose 1s to 10m: LiveKit takes no more")
