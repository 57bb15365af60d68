"""Calls that a slot makes, out through a real Kamailio on loopback: what the carrier sees, and who may follow it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from livekit_metal.roles.kamailio.settings import TRUNK_HEADER, Outgoing, Settings
from tests.support.programs.sip_calls import OURS, THEIRS, Ground, header, routes, uri
from tests.support.programs.sipd import CARRIER, OTHER, STRANGER, Peer, answer, started

PUBLIC = "203.0.113.10"


@pytest.fixture(scope="module")
def ground(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    carrier, other, stranger = Peer(CARRIER), Peer(OTHER), Peer(STRANGER)
    outgoing = (
        Outgoing(trunk="carrier", address=f"{CARRIER}:{carrier.port}", transport="udp"),
        Outgoing(trunk="beyond", address=f"{STRANGER}:{stranger.port}", transport="auto"),
    )
    directory = tmp_path_factory.mktemp("kamailio")
    with started(settings, directory, outgoing=outgoing, public_address=PUBLIC) as kamailio:
        yield Ground(kamailio, carrier, other, stranger)
    for peer in (carrier, other, stranger):
        peer.socket.close()


@pytest.fixture(autouse=True)
def quiet(ground: Ground) -> None:
    """As if nothing had been sent yet."""
    for peer in (ground.kamailio.slot, ground.carrier, ground.other, ground.stranger):
        while peer.got(0.02):
            pass


def test_the_carrier_sees_our_public_address_and_the_number_that_it_is_asked_for(ground: Ground) -> None:
    ground.invite(call="seen")
    asked, port = ground.carrier.has("INVITE"), ground.kamailio.settings.port
    assert asked.startswith(f"INVITE sip:{THEIRS}@{CARRIER}:{ground.carrier.port};transport=udp SIP/2.0")
    assert uri(header(asked, "To")) == f"sip:{THEIRS}@{CARRIER}:{ground.carrier.port};transport=udp"
    assert header(asked, "From") == f"<sip:{OURS}@{PUBLIC}:{port}>;tag=slot"
    assert uri(header(asked, "Contact")).startswith(f"sip:{PUBLIC}:{port};slot=")
    assert header(asked, "Via").startswith(f"SIP/2.0/UDP {PUBLIC}:{port};")
    assert routes(asked)[0].startswith(f"<sip:{PUBLIC}:{port};")
    assert TRUNK_HEADER not in asked
    ground.answered(asked)


@pytest.mark.parametrize("routed", [True, False], ids=["by our route", "by our Contact alone"])
def test_the_carrier_hangs_up(ground: Ground, *, routed: bool) -> None:
    asked, _ = ground.called()
    bye = ground.follow("BYE", ground.carrier, uri(header(asked, "Contact")), asked, routes(asked) if routed else [])
    ground.carrier.send(bye, ground.kamailio.outside)
    said = ground.kamailio.slot.has("BYE")
    assert said.startswith(f"BYE {ground.kamailio.slot.uri} ")
    ground.kamailio.slot.send(answer(said, ground.kamailio.slot), ground.kamailio.inside)
    ground.carrier.has("SIP/2.0 200")


def test_the_slot_hangs_up_and_is_the_same_caller_still(ground: Ground) -> None:
    asked, said = ground.called()
    bye = ground.follow("BYE", ground.kamailio.slot, ground.carrier.uri, said, routes(said)[::-1])
    ground.kamailio.slot.send(re.sub("From: .*", f"From: <sip:{OURS}@127.0.0.1>;tag=slot", bye), ground.kamailio.inside)
    over = ground.carrier.has("BYE")
    assert header(over, "From") == header(asked, "From")
    ground.answered(over)


def test_the_carrier_changes_a_call_out_and_keeps_the_way_back(ground: Ground) -> None:
    """A re-INVITE to our number, which nobody may call: it is this call's, and the Contact stays ours."""
    asked, _ = ground.called()
    again = ground.follow("INVITE", ground.carrier, uri(header(asked, "Contact")), asked, routes(asked))
    ground.carrier.send(again, ground.kamailio.outside)
    ground.kamailio.slot.send(answer(ground.kamailio.slot.has("INVITE"), ground.kamailio.slot), ground.kamailio.inside)
    assert header(ground.carrier.has("SIP/2.0 200"), "Contact") == header(asked, "Contact")


@pytest.mark.parametrize("change", ["call", "tag", "slot", "proof"])
def test_the_proof_of_a_call_out_is_of_no_use_in_another_call(ground: Ground, change: str) -> None:
    """Else a To-tag and a Contact that was seen once would let any trunk call every number."""
    asked, _ = ground.called()
    contact = uri(header(asked, "Contact"))
    if change == "slot":
        contact = contact.replace(f"slot={ground.kamailio.slot.port}-", f"slot={ground.kamailio.draining.port}-")
    if change == "proof":
        contact = contact[:-1] + ("0" if contact[-1] != "0" else "1")
    again = ground.follow("INVITE", ground.other, contact, asked, routes(asked))
    if change == "call":
        again = again.replace("Call-ID: out", "Call-ID: another")
    if change == "tag":
        again = again.replace("tag=slot", "tag=another")
    ground.other.send(again, ground.kamailio.outside)
    assert ground.other.has("SIP/2.0 4").startswith("SIP/2.0 403")
    without = re.sub("Route: .*\n", "", again).replace("branch=", "branch=z")
    ground.other.send(without, ground.kamailio.outside)
    assert ground.other.has("SIP/2.0 4").startswith("SIP/2.0 481")
    assert ground.kamailio.slot.got(0.05) + ground.kamailio.draining.got(0.05) == ""


def test_a_program_that_is_no_slot_makes_no_call(ground: Ground) -> None:
    local = Peer("127.0.0.1")
    ground.invite(slot=local, call="local")
    assert local.has("SIP/2.0 4").startswith("SIP/2.0 403")
    assert ground.carrier.got(0.05) == ""
    local.socket.close()


def test_a_call_through_no_trunk_of_the_site_is_refused(ground: Ground) -> None:
    ground.invite(trunk="nosuch", call="nosuch")
    assert ground.kamailio.slot.has("SIP/2.0 4").startswith("SIP/2.0 404")
    assert "refused: a call out through 'nosuch'" in ground.kamailio.log.read_text()


def test_a_call_that_leads_beyond_the_networks_of_trunks_leads_nowhere(ground: Ground) -> None:
    ground.invite(trunk="beyond", call="beyond")
    assert ground.stranger.got(0.3) == ""
    assert f"dropped: a call leads to {STRANGER}" in ground.kamailio.log.read_text()


def test_without_calls_out_a_slot_makes_none_at_all(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with started(settings, tmp_path_factory.mktemp("in"), outgoing=()) as kamailio:
        peer = Peer(CARRIER)
        Ground(kamailio, peer, peer, peer).invite()
        assert kamailio.slot.has("SIP/2.0 4").startswith("SIP/2.0 403")
        peer.socket.close()
