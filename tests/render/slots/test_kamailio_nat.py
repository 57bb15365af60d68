"""Calls in and out through a real Kamailio on a host whose addresses a router translates (the row P3)."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

import pytest

from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.kamailio.settings import Outgoing, Settings, Source
from tests.support.hosts.namespaces import INSIDE, OUTSIDE, PUBLIC, inside, translated
from tests.support.programs.sip_calls import OURS, Ground, header, routes, uri
from tests.support.programs.sipd import NUMBER, Peer, answer, request, started


@pytest.fixture(scope="module")
def ground(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    if os.geteuid():
        pytest.skip("only root makes network namespaces")
    with contextlib.ExitStack() as stack:
        around = stack.enter_context(translated())
        with inside(around.outside):
            carrier = Peer(OUTSIDE)
        said = {
            "address": INSIDE,
            "public_address": PUBLIC,
            "outgoing": (Outgoing(trunk="carrier", address=f"{OUTSIDE}:{carrier.port}", transport="udp"),),
            "sources": (Source(network=f"{OUTSIDE}/32", numbers=Secret("n", NUMBER)),),
        }
        with inside(around.host):
            kamailio = stack.enter_context(started(settings, tmp_path_factory.mktemp("kamailio"), **said))
        yield Ground(kamailio, carrier, carrier, carrier, (PUBLIC, kamailio.settings.port.first))
        carrier.socket.close()


@pytest.fixture(autouse=True)
def quiet(ground: Ground) -> None:
    for peer in (ground.kamailio.slot, ground.carrier):
        while peer.got(0.02):
            pass


def test_nothing_that_the_carrier_follows_leads_to_a_private_address(ground: Ground) -> None:
    asked, _ = ground.called()
    shown = [header(asked, name) for name in ("Contact", "From", "To")] + [asked.splitlines()[0]]
    assert not [line for line in shown if INSIDE in line or "127.0.0.1" in line]
    assert routes(asked)[0].startswith(f"<sip:{PUBLIC}:")


def test_a_call_out_is_ended_by_the_carrier(ground: Ground) -> None:
    asked, _ = ground.called()
    bye = ground.follow("BYE", ground.carrier, uri(header(asked, "Contact")), asked, routes(asked))
    ground.carrier.send(bye, ground.outside)
    ground.kamailio.slot.send(answer(ground.kamailio.slot.has("BYE"), ground.kamailio.slot), ground.kamailio.inside)
    ground.carrier.has("SIP/2.0 200")


def test_a_call_out_is_ended_by_the_slot(ground: Ground) -> None:
    _, said = ground.called()
    bye = ground.follow("BYE", ground.kamailio.slot, ground.carrier.uri, said, routes(said)[::-1])
    ground.kamailio.slot.send(re.sub("From: .*", f"From: <sip:{OURS}@{INSIDE}>;tag=slot", bye), ground.kamailio.inside)
    got = ground.carrier.has("BYE")
    assert header(got, "From") == f"<sip:{OURS}@{PUBLIC}:{ground.kamailio.settings.port}>;tag=slot"
    ground.carrier.send(answer(got, ground.carrier), ground.outside)
    ground.kamailio.slot.has("SIP/2.0 200")


@pytest.mark.parametrize("by", ["carrier", "slot"])
def test_a_call_in_is_ended_by_either_side(ground: Ground, by: str) -> None:
    carrier, slot, kamailio = ground.carrier, ground.kamailio.slot, ground.kamailio
    carrier.send(request("INVITE", carrier, f"sip:{NUMBER}@{PUBLIC}", id=f"in-{by}"), ground.outside)
    contact = f"{slot.uri};transport=udp"  # as livekit-sip writes it
    slot_said = answer(slot.has("INVITE"), slot)
    slot.send(slot_said, kamailio.inside)
    said = carrier.has("SIP/2.0 200")
    route = {side: "\n".join(f"Route: {one}" for one in order) for side, order in
             (("carrier", routes(said)[::-1]), ("slot", routes(said)))}  # fmt: skip
    more = {"id": f"in-{by}", "route": route[by]}
    carrier.send(request("ACK", carrier, contact, **more | {"tag": "slot", "route": route["carrier"]}), ground.outside)
    slot.has("ACK")
    if by == "carrier":
        carrier.send(request("BYE", carrier, contact, tag="slot", **more), ground.outside)
        slot.has("BYE")
    else:
        slot.send(request("BYE", slot, carrier.uri, tag="from", **more), kamailio.inside)
        carrier.has("BYE")
