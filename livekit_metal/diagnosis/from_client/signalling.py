"""Whether a client gets in, and whether whoever must not is kept out."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import time
from datetime import timedelta
from email.utils import parsedate_to_datetime

import aiohttp
from livekit import api

from livekit_metal.call.access import Access
from livekit_metal.call.errors import CallError, redacted
from livekit_metal.call.join_info import Announced, announced
from livekit_metal.call.server import WITHIN, pinned, session, token
from livekit_metal.core.check_result import CheckResult, failed
from livekit_metal.diagnosis.subject import Subject

CLOCK = 5.0  # s that a client's clock may be off: a token made here would seem to be from the future, or expired
_SAID = {
    406: ("livekit-server there is cut off from Redis", "see Redis, and the way to it"),
    503: ("no livekit-server takes sessions there", "see the rows slot, bus and redis; without an inventory, status"),
}


def http(url: str) -> str:
    """The URL of the API beside that of the WebSocket."""
    return url.replace("ws", "http", 1).rstrip("/")


async def answers(case: Subject, about: str, url: str) -> list[CheckResult]:
    """HTTP 200, and by its Date how far the clocks are apart."""
    at = http(url)
    try:
        async with session(case.access) as client:
            before = time.time()
            async with client.get(f"{at}/") as answer:
                code, date = answer.status, answer.headers.get("Date")
            after = time.time()
    except (aiohttp.ClientError, TimeoutError) as error:
        fact = f"{at} does not answer: {error or f'nothing in {WITHIN:.0f} s'}"
        remedy = "see whether HAProxy runs there (livekit-edge), and the firewalls on the way"
        return [failed("signalling", about, case.here, fact, remedy)]
    if code != 200:
        fact, remedy = _SAID.get(code, ("is that LiveKit?", "see what listens there"))
        return [failed("signalling", about, case.here, f"{at} answers HTTP {code}: {fact}", remedy)]
    return [
        CheckResult(check="signalling", about=about, vantage=case.here, said="HTTP 200"),
        *_clock(case, about, date, before, after),
    ]


def _clock(case: Subject, about: str, date: str | None, before: float, after: float) -> list[CheckResult]:
    """Date has whole seconds: the server's time lies within the second that begins there."""
    if date is None:
        return []
    server = parsedate_to_datetime(date).timestamp()
    off = max(server - after, before - (server + 1), 0.0)
    if off > CLOCK:
        fact = f"this machine's clock and the server's are {off:.0f} s apart: tokens made here may be refused"
        return [failed("time", about, case.here, fact, "synchronise both (timedatectl set-ntp true)")]
    return [CheckResult(check="time", about=about, vantage=case.here, said=f"less than {off + 1:.0f} s apart")]


async def joins(case: Subject, about: str, through: str | None) -> tuple[CheckResult, Announced | None]:
    """That the key gets a client in, and what it is told then; on the host's own node where that is known."""
    access, node = case.access, case.nodes.get(about)
    try:
        room = await pinned(access, node, through) if node else f"doctor-{secrets.token_hex(6)}"
        async with announced(access, room, through) as told:
            pass
    except CallError as error:
        fact = error.problem.fact
        if "401" in fact or "unauthenticated" in fact:
            fact = f"{access.through(through)} refuses the API key {access.api_key} (HTTP 401)"
            remedy = (
                "use a key and secret that the server has: procedures.secrets INVENTORY show; deploy after a change"
            )
            return failed("join", about, case.here, fact, remedy), None
        return failed("join", about, case.here, fact, error.problem.remedy), None
    media = ", ".join(f"{proto} {a}:{p}" for proto in ("udp", "tcp") for a, p in getattr(told, proto))
    said = f"{told.node.id} {told.node.version}, media at {media}"
    return CheckResult(check="join", about=about, vantage=case.here, said=said), told


async def refuses(case: Subject, about: str, through: str | None) -> CheckResult:
    """That a wrong key, an old token and a token for another room do not get in."""
    access = case.access
    room = f"doctor-{secrets.token_hex(6)}"
    forged = dataclasses.replace(access, api_secret=secrets.token_urlsafe(32))
    words = {
        "signed with another secret": token(forged, room=room, identity="forged"),
        # livekit-server gives a minute of grace to what expires
        "that expired": token(access, room=room, identity="late", ttl=timedelta(hours=-1)),
    }
    try:
        statuses = await asyncio.gather(*(_status(access, through, jwt) for jwt in words.values()))
        entered = [f"{what} (HTTP {code})" for what, code in zip(words, statuses, strict=True) if code != 401]
        if await _reads_another(access, through, room):
            entered.append("for another room")
    except (aiohttp.ClientError, TimeoutError) as error:
        fact = redacted(f"{access.through(through)}: {error or 'no answer'}")
        return failed("refused", about, case.here, fact, "see the row signalling")
    if entered:
        fact = f"{access.through(through)} accepts a token {', and one '.join(entered)}"
        return failed(
            "refused", about, case.here, fact, "see what stands in front of livekit-server, and its keys file"
        )
    said = "a wrong key, an old token, another room"
    return CheckResult(check="refused", about=about, vantage=case.here, said=said)


async def _status(access: Access, through: str | None, jwt: str) -> int:
    """What a client with this token gets instead of a WebSocket; 101 when it gets one."""
    url = f"{access.through(through).rstrip('/')}/rtc"
    async with session(access) as client:
        try:
            async with client.ws_connect(url, params={"access_token": jwt, "protocol": "16"}):
                return 101
        except aiohttp.WSServerHandshakeError as error:
            return error.status


async def _reads_another(access: Access, through: str | None, room: str) -> bool:
    """Whether the administrator of one room may see who is in another."""
    grants = api.VideoGrants(room_admin=True, room=room)
    jwt = api.AccessToken(access.api_key, access.api_secret).with_grants(grants).to_jwt()
    url = f"{http(access.through(through))}/twirp/livekit.RoomService/ListParticipants"
    async with session(access) as client:
        headers = {"Authorization": f"Bearer {jwt}"}
        async with client.post(url, json={"room": f"{room}-another"}, headers=headers) as answer:
            return answer.status not in (401, 403)
