"""A test event to each URL of ``livekit.webhooks``, on request, from the host that sends and as livekit-server does it.

It is signed with the current API key (an application's receiver accepts it as any other), and is of a kind that
livekit-server never sends: an application that knows the kinds of upstream does nothing about it.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from urllib.parse import urlsplit
from uuid import uuid4

from livekit_metal.core import shell
from livekit_metal.core.check_result import CheckResult, Result, failed
from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.livekit.settings import Settings
from livekit_metal.runtime.host.state import HostState, StateQuery

QUERY = "doctor.webhook-event"
EVENT = "test"
WITHIN = 10  # s for an answer
_VALID = timedelta(minutes=5)  # as upstream's own: protocol, webhook/url_notifier.go
_SEND = shell.program(__file__, "trust", "event")
_REFUSED, _RESOLVE, _SLOW, _TLS, _UNTRUSTED = "7", "6", "28", "35", "60"  # curl's exit
TRUST = (
    "name the CA in the site's `trust` and deploy, or have the certificate signed by a CA that the host knows, for "
    "that name, and sent with those between it and its CA"
)


@dataclass(frozen=True, slots=True)
class Signed:
    """An event as it goes out: the very bytes that the token is about."""

    body: str
    token: str


def signed(api_key: str, api_secret: Secret, now: float) -> Signed:
    """A new event of Unix time ``now``, signed with that key."""
    from livekit import api  # noqa: PLC0415 - who asks for no event need not load it

    event = {"event": EVENT, "id": f"EV_{uuid4().hex[:12]}", "createdAt": str(int(now))}
    body = json.dumps(event, separators=(",", ":"))
    digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
    made = api.AccessToken(api_key, api_secret.reveal()).with_ttl(_VALID).with_sha256(digest)
    return Signed(body, made.to_jwt())


def sending(settings: Settings, now: float) -> StateQuery:
    """The question that sends an event to each URL."""
    if not settings.webhooks or not settings.api_keys:
        return StateQuery(queries=((QUERY, "true"),))
    words = [str(WITHIN)]
    for number, url in enumerate(settings.webhooks):
        key, secret = next(iter(settings.api_keys.items()))
        event = signed(key, secret, now)
        words += [str(number), url, *_place(url), event.body, event.token]
    return StateQuery(queries=((QUERY, shell.given(_SEND, settings.unit.format("*"), *words)),))


def _place(url: str) -> tuple[str, str, str]:
    """Host, port, and how a certificate is compared with the host ('' without TLS)."""
    parts = urlsplit(url)
    host, over_tls = parts.hostname or "", parts.scheme == "https"
    try:
        ipaddress.ip_address(host)
        compared = "-verify_ip"
    except ValueError:
        compared = "-verify_hostname"
    return host, str(parts.port or (443 if over_tls else 80)), compared if over_tls else ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, in the words of event.sh."""

    exit: str  # curl's
    status: int
    resolved: float  # seconds from the beginning, as the next three
    connected: float
    over_tls: float
    total: float
    address: str
    leads: str  # where a redirect leads
    error: str  # curl's words
    body: str
    found: tuple[str, ...]  # where the name leads
    chain: tuple[str, ...]  # whom the certificates are for, and last the CA that must be known
    names: str  # that the first is for; '': its subject has the name, or nothing has
    until: str
    verdict: str

    @classmethod
    def read(cls, lines: Sequence[str]) -> Answer | None:
        """From the lines of one URL, without its number; None when it was not sent."""
        said: dict[str, list[str]] = {}
        for line in lines:
            word, _, rest = line.partition(" ")
            said.setdefault(word, []).append(rest.strip())
        one = {word: found[0] for word, found in said.items()}
        code, status, *words = [*one.get("came", "").split(" "), ""]
        if len(words) < 5:
            return None
        resolved, connected, over_tls, total = map(float, words[:4])
        return cls(
            exit=code,
            status=int(status),
            resolved=resolved,
            connected=connected,
            over_tls=over_tls,
            total=total,
            address=words[4],
            leads=one.get("leads", ""),
            error=one.get("error", ""),
            body=one.get("body", ""),
            found=tuple(said.get("found", ())),
            chain=tuple(map(_short, (*said.get("sent", ()), *said.get("by", [])[-1:]))),
            names=one.get("names", ""),
            until=one.get("until", ""),
            verdict=one.get("verify", ""),
        )

    @property
    def went(self) -> str:
        """Where it went and how long that took, in words."""
        took = f"{self.total:.2f} s (name {self.resolved:.2f}, connected {self.connected:.2f}"
        took += f", TLS {self.over_tls:.2f})" if self.over_tls else ")"
        return f"{self.address or 'nowhere'} after {took}"

    @property
    def certificates(self) -> str:
        """The chain in words; '' without TLS."""
        if not self.chain:
            return ""
        until = f", until {self.until}" if self.until else ""
        return f"certificate of {self.names or self.chain[0]}{until}, by {' by '.join(self.chain[1:])}: {self.verdict}"


def _short(subject: str) -> str:
    """The CN of what OpenSSL calls a subject, or all of it."""
    for part in subject.split(","):
        name, _, value = part.partition("=")
        if name.strip() == "CN":
            return value.strip()
    return subject


def answers(settings: Settings, host: str, seen: HostState) -> Iterator[CheckResult]:
    """A row for each URL that an event was sent to; none when it was not asked for."""
    if QUERY not in seen.answers:
        return
    if not settings.webhooks:
        said, remedy = "the site has no webhooks", "give livekit.webhooks the URLs of your application"
        yield CheckResult(check="webhook-event", about=host, vantage=host, result=Result.NOTE, said=said, remedy=remedy)
    for number, url in enumerate(settings.webhooks):
        own = f"{number} "
        lines = [line.removeprefix(own) for line in seen.answers[QUERY] if line.startswith(own)]
        yield _judged(settings, host, url, Answer.read(lines))


def _judged(settings: Settings, host: str, url: str, answer: Answer | None) -> CheckResult:
    if answer is None:
        fact = f"nothing could be sent to {url}: the host has no curl, or the site no API key yet"
        return failed("webhook-event", host, host, fact, "deploy: it brings both")
    tls = f"; {answer.certificates}" if answer.certificates else ""
    came = f"{url} says HTTP {answer.status} ({_words(answer.status)}), from {answer.went}{tls}"
    if why := _lost(settings, url, answer, came, tls):
        return failed("webhook-event", host, host, *why)
    if answer.leads:
        remedy = f"write {answer.leads} into livekit.webhooks"
        fact = f"{came}: it leads to {answer.leads}, where livekit-server sends it once more"
        return CheckResult(
            check="webhook-event", about=host, vantage=host, result=Result.NOTE, said=fact, remedy=remedy
        )
    return CheckResult(check="webhook-event", about=host, vantage=host, said=came)


def _lost(settings: Settings, url: str, answer: Answer, came: str, tls: str) -> tuple[str, str] | None:
    """Fact and remedy of an event that does not arrive, or is not taken."""
    name = urlsplit(url).hostname or ""
    if answer.exit == _RESOLVE or not answer.found:
        fact = f"livekit-server finds no address of {name}: it asks /etc/hosts and DNS, and nobody else"
        return fact, "correct livekit.webhooks, or the DNS that the host asks"
    if answer.exit == _UNTRUSTED:
        return f"livekit-server does not trust {url} at {answer.address}: {answer.error}{tls}", TRUST
    if answer.chain and not answer.names:
        fact = f"livekit-server does not take the certificate of {url}: its name stands in CN alone{tls}"
        return fact, "have it made with a subjectAltName, which Go asks for"
    if answer.exit == _SLOW and answer.connected:
        fact = f"{url} takes the event at {answer.address} and says nothing within {WITHIN} s{tls}"
        return fact, "have the application answer at once and work afterwards: later events of the room wait for it"
    if answer.exit != "0":
        remedy = {
            _TLS: "see that TLS is spoken at that port, of version 1.2 at least",
            _REFUSED: "see that it runs, and listens at that address",
            _SLOW: "see the firewalls and routes between it and the host",
        }.get(answer.exit, "see that it runs, and what is between it and the host")
        where = ", ".join(answer.found)
        return f"no event gets from here to {url} (at {where}): {answer.error}", remedy
    heard = f'{came}: "{answer.body}"' if answer.body else came
    return None if answer.status < HTTPStatus.MULTIPLE_CHOICES else _refused(settings, answer, heard)


def _refused(settings: Settings, answer: Answer, heard: str) -> tuple[str, str] | None:
    status = answer.status
    if status in (HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT) and answer.leads:
        return None
    if answer.leads:
        fact = f"{heard}: it leads to {answer.leads}, which livekit-server asks with GET, without the event"
        return fact, f"write {answer.leads} into livekit.webhooks"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        key = next(iter(settings.api_keys), "")
        return (
            heard,
            f"give the application the API key {key} and its secret (procedures.secrets INVENTORY show --reveal)",
        )
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        return heard, "correct the path in livekit.webhooks; it must take POST"
    again = "livekit-server tries a few times more and then drops it" if _again(status) else "it is not sent again"
    return f"{heard}; {again}", "see the application's own log"


def _again(status: int) -> bool:
    """Whether livekit-server sends it again (go-retryablehttp, its usual policy)."""
    return status == HTTPStatus.TOO_MANY_REQUESTS or (
        status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED
    )


def _words(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "of its own"
