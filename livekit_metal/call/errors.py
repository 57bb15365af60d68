"""Why a call failed: the step, the fact, the remedy; never a token."""

from __future__ import annotations

import logging
import re
from typing import Literal

from livekit_metal.core.errors import Problem

Step = Literal["access", "node", "path", "connect", "publish", "subscribe", "first frame", "agent"]

_MEDIA = ("publish", "subscribe", "first frame")
_NO_PATH = "wait_pc"  # how the SDK says that the media connection did not come up
_TOKEN = re.compile(r"eyJ[\w-]+(?:\.[\w-]+)*")  # the start of every JSON object in base64url: '{"'


class CallError(Exception):
    """A call that did not come up (or could not be asked for); ``step`` says how far it got.

    ``no_media``: the signalling worked, and what came to nothing needs media.
    """

    def __init__(self, step: Step, fact: str, remedy: str) -> None:
        self.step = step
        self.no_media = step in _MEDIA or (step == "connect" and _NO_PATH in fact)
        self.problem = Problem(f"call: {step}", redacted(fact), remedy)
        super().__init__(str(self.problem))


def redacted(text: str) -> str:
    """``text`` without join tokens: livekit-server and the SDK repeat them in their refusals."""
    return _TOKEN.sub("(token)", text)


_REMEDIES = (
    ("401", "use a key and secret that the server has (keys in its configuration)"),
    ("certificate", "name the CA that signed the server's certificate as ca_file"),
    (_NO_PATH, "open a path for media between this machine and the server (UDP, ICE/TCP or TURN)"),
)
_NEAR = (
    ("lookup", "make the name resolve on this machine"),
    ("refused", "see whether livekit-server, or the proxy in front of it, runs there"),
)


def remedy_for(fact: str, proxy: str | None) -> str:
    """What to do about the SDK's ``fact``; ``proxy`` names the variable that sent it through a proxy, if one did."""
    # Before a server has answered, any failure may be the proxy's.
    by_proxy = ("", f"unset {proxy}: the SDK uses it for every host, whatever NO_PROXY says")
    known = (*_REMEDIES, by_proxy) if proxy else (*_REMEDIES, *_NEAR)
    return next((remedy for needle, remedy in known if needle in fact), "see the server's journal")


class _Redact(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redacted(record.getMessage()), ()
        return True


logging.getLogger("livekit").addFilter(_Redact())
