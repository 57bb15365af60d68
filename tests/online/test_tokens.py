"""Who must not get in: other people's tokens, tried by a real client and at the API, through the edge."""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import subprocess
import sys
from datetime import timedelta
from uuid import uuid4

import aiohttp
from livekit import api, rtc
from livekit.protocol import rtc as signal

from livekit_metal.call.access import Access
from livekit_metal.call.server import session, token, trust
from tests.support.hosts.deploys import deploy
from tests.support.hosts.doctor import laptop
from tests.support.hosts.lab import INVENTORY, ROOT

ROOM = f"token-{uuid4().hex[:8]}"
ENTERED, REFUSED = (True, ROOM, 200), (False, 401, 401)
OLD = "APItests"  # a key of applications, beside that of the site


def joins(access: Access, jwt: str) -> bool:
    """Whether the SDK gets in with a token."""

    async def tried() -> bool:
        room = rtc.Room()
        try:
            await room.connect(access.url, jwt)
        except rtc.ConnectError:
            return False
        await room.disconnect()
        return True

    trust(access)
    return asyncio.run(tried())


def knocked(access: Access, jwt: str, **query: str) -> int | str:
    """The room that a client with this token gets into, or the HTTP status that it gets instead of a WebSocket."""

    async def tried() -> int | str:
        async with session(access) as client:
            words = {"access_token": jwt, "protocol": "16"} | query
            try:
                async with client.ws_connect(f"{access.url}/rtc", params=words) as link:
                    answer = signal.SignalResponse.FromString(await link.receive_bytes())
                    await link.send_bytes(signal.SignalRequest(leave=signal.LeaveRequest()).SerializeToString())
                    return str(answer.join.room.name)
            except aiohttp.WSServerHandshakeError as error:
                return error.status

    return asyncio.run(tried())


def asked(access: Access, jwt: str, what: str, **body: str) -> int:
    """HTTP status of a request to the API with this token."""

    async def tried() -> int:
        url = f"{access.url.replace('ws', 'http', 1)}/twirp/livekit.RoomService/{what}"
        async with (
            session(access) as client,
            client.post(url, json=body, headers={"Authorization": f"Bearer {jwt}"}) as answer,
        ):
            return answer.status

    return asyncio.run(tried())


def admin(access: Access, ttl: timedelta = timedelta(minutes=10), **grants: object) -> str:
    """A token for the API."""
    made = api.AccessToken(access.api_key, access.api_secret).with_ttl(ttl)
    return made.with_grants(api.VideoGrants(**grants)).to_jwt()


def kept_secret(*words: str, given: str = "") -> None:
    """A verb of ``procedures.secrets`` on the lab's own."""
    command = [sys.executable, "-m", "procedures.secrets", INVENTORY, *words]
    done = subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = deploy()
    assert told.status == 0, told.text


def entered(access: Access, ttl: timedelta = timedelta(minutes=10)) -> tuple[bool, int | str, int]:
    """What becomes of tokens made with ``access``: whether the SDK gets in, what /rtc says, what the API says."""
    jwt = token(access, room=ROOM, identity="knocks", ttl=ttl)
    return joins(access, jwt), knocked(access, jwt), asked(access, admin(access, ttl, room_list=True), "ListRooms")


def test_a_good_token_gets_in(access: Access) -> None:
    """Else the others would prove nothing."""
    assert entered(access) == ENTERED


def test_one_that_expired_does_not(access: Access) -> None:
    assert entered(access, timedelta(hours=-1)) == REFUSED  # a minute of grace


def test_one_signed_with_another_secret_does_not(access: Access) -> None:
    assert entered(dataclasses.replace(access, api_secret=secrets.token_urlsafe(32))) == REFUSED


def test_one_signed_with_an_old_key_does_not(access: Access) -> None:
    """It did, until the key was retired; what the doctor then says to whoever still has it."""
    old = dataclasses.replace(access, api_key=OLD, api_secret=secrets.token_urlsafe(32))
    try:
        kept_secret("import-key", OLD, given=old.api_secret)
        assert entered(old) == ENTERED
    finally:
        kept_secret("retire", "api-key", OLD)
    assert entered(old) == REFUSED
    assert entered(access) == ENTERED, "the site's own key goes on"
    status, rows = laptop(old)
    assert status == 1
    wrong = [row for row in rows if row["result"] == "failed"]
    assert {row["check"] for row in wrong} == {"join"}
    assert all(f"refuses the API key {OLD} (HTTP 401)" in row["said"] for row in wrong)


def test_one_for_another_room_does_not_get_into_this_one(access: Access) -> None:
    other = f"token-{uuid4().hex[:8]}"
    keeper = admin(access, room_create=True, room_admin=True, room=other)
    assert asked(access, keeper, "CreateRoom", name=other) == 200
    assert asked(access, keeper, "ListParticipants", room=other) == 200
    jwt = token(access, room=ROOM, identity="knocks")
    assert knocked(access, jwt, room=other) in (ROOM, 401), "the room is that of the token, whatever is asked for"
    for theirs in (jwt, admin(access, room_admin=True, room=ROOM)):
        said = {asked(access, theirs, what, room=other) for what in ("ListParticipants", "DeleteRoom")}
        assert said <= {401, 403}, "nor may they look into it or end it"
