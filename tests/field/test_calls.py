"""LiveKit beside all of that, from where the operator is: what the doctor finds, with the calls that it makes."""

from __future__ import annotations

import json

from lab import state
from livekit_metal.call.access import Access
from tests.field.conftest import Field, Inventory
from tests.support.application import Application, running
from tests.support.hosts.deploys import plain
from tests.support.hosts.doctor import failing

WAYS = {"udp", "tcp", "turn-udp", "turn-tls"}


def test_the_doctor_finds_nothing_wrong_and_calls_by_every_way(field: Field, inventory: Inventory) -> None:
    """Through the operator's own nginx; and an application elsewhere takes the event that a host sends it."""
    access = Access.load(field.directory / "access.json")
    application = Application(key=access.api_key, secret=access.api_secret)
    gateway = state.facts()["gateway"]
    with running(application, address=gateway):
        site = inventory(plain()["firewall"], livekit={"webhooks": [f"http://{gateway}:{application.port}/hook"]})
        words = ("--data", "json=yes", "--data", "webhooks=test")
        told = field.deploy(site, *words, plan="procedures/doctor.py")
    rows = json.loads(next(line for line in told.text.splitlines() if line.startswith('{"time"')))["rows"]
    assert failing(rows) == [], rows
    well = {row["check"]: row["said"] for row in rows if row["result"] == "ok"}
    assert WAYS | {"turn-cert", "closed", "webhook-event"} <= set(well), rows
    assert "/hook says HTTP 200 (OK)" in well["webhook-event"]
    assert [event.event for event in application.got] == ["test"]
    assert told.status == 0, told.text
