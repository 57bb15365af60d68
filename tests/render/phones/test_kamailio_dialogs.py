"""What Kamailio does with requests of calls that exist, or pretend to: a real one, on loopback."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from livekit_metal.roles.kamailio.settings import Settings
from tests.support.programs.sipd import CARRIER, NUMBER, OTHER, STRANGER, Kamailio, Peer, answer, request, started


@pytest.fixture
def peers() -> Iterator[dict[str, Peer]]:
    made = {address: Peer(address) for address in (CARRIER, OTHER, STRANGER)}
    yield made
    for peer in made.values():
        peer.socket.close()


@pytest.fixture(scope="module")
def running(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kamailio]:
    with started(settings, tmp_path_factory.mktemp("kamailio")) as found:
        yield found


@pytest.fixture
def kamailio(running: Kamailio) -> Kamailio:
    """As if nothing had been sent yet."""
    for peer in (running.slot, running.draining):
        while peer.got(0.01):
            pass
    return running


def called(kamailio: Kamailio, carrier: Peer, slot: Peer) -> tuple[str, str]:
    """A call of ``carrier`` that ``slot`` has answered: the routes of the carrier and of the slot."""
    carrier.send(request("INVITE", carrier, f"sip:{NUMBER}@127.0.0.1"), kamailio.outside)
    asked = kamailio.slot.has("INVITE")
    kamailio.slot.send(answer(asked, slot), kamailio.inside)
    said = carrier.has("SIP/2.0 200")
    routes = re.findall(r"(?m)^Record-Route: (.*?)\r?$", said)
    carrier.send(request("ACK", carrier, slot.uri, tag="slot", route=routed(routes[::-1])), kamailio.outside)
    slot.has("ACK")
    return routed(routes[::-1]), routed(routes)


def routed(routes: list[str]) -> str:
    return "\n".join(f"Route: {route}" for route in routes)


@pytest.mark.parametrize("which", ["slot", "draining"])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "INFO", "BYE"])
def test_a_call_goes_on_in_both_directions_on_a_draining_slot_too(
    kamailio: Kamailio, peers: dict[str, Peer], which: str, method: str
) -> None:
    """The slot that answers is told by its Contact; the one that drains has another port."""
    carrier, slot = peers[CARRIER], getattr(kamailio, which)
    from_carrier, from_slot = called(kamailio, carrier, slot)
    carrier.send(request(method, carrier, slot.uri, tag="slot", route=from_carrier), kamailio.outside)
    slot.send(answer(slot.has(method), slot), kamailio.inside)
    carrier.has("SIP/2.0 200")
    slot.send(request(method, slot, carrier.uri, tag="from", route=from_slot, number="+1666"), kamailio.inside)
    carrier.send(answer(carrier.has(method), carrier), kamailio.outside)
    slot.has("SIP/2.0 200")


@pytest.mark.parametrize("method", ["INVITE", "BYE", "MESSAGE"])
@pytest.mark.parametrize("far", ["{stranger}", "{stranger};transport=tcp", "{other}", "{slot};transport=tcp"])
def test_a_to_tag_leads_nobody_past_the_slots(
    kamailio: Kamailio, peers: dict[str, Peer], method: str, far: str
) -> None:
    carrier = peers[CARRIER]
    uri = far.format(stranger=peers[STRANGER].uri, other=peers[OTHER].uri, slot=kamailio.slot.uri)
    route = f"Route: <sip:127.0.0.1:{kamailio.settings.port};lr;ftag=from>"
    carrier.send(request(method, carrier, uri, tag="any", route=route), kamailio.outside)
    assert carrier.has("SIP/2.0 4").startswith("SIP/2.0 481")
    assert [peer.address for peer in (*peers.values(), kamailio.slot) if peer.got(0.05)] == []


def test_a_further_route_leads_nobody_past_the_slots(kamailio: Kamailio, peers: dict[str, Peer]) -> None:
    carrier = peers[CARRIER]
    ours = f"Route: <sip:127.0.0.1:{kamailio.settings.port};lr>"
    route = f"{ours}\nRoute: <{peers[STRANGER].uri};lr>"
    carrier.send(request("BYE", carrier, kamailio.slot.uri, tag="any", route=route), kamailio.outside)
    assert carrier.has("SIP/2.0 4").startswith("SIP/2.0 481")
    alien = f"Route: <{peers[STRANGER].uri};lr>"
    carrier.send(request("BYE", carrier, kamailio.slot.uri, tag="any", route=alien), kamailio.outside)
    assert carrier.has("SIP/2.0 4").startswith("SIP/2.0 481")
    assert peers[STRANGER].got(0.05) == ""


def test_a_to_tag_calls_no_number_of_another_trunk(kamailio: Kamailio, peers: dict[str, Peer]) -> None:
    other = peers[OTHER]
    route = f"Route: <sip:127.0.0.1:{kamailio.settings.port};lr>"
    other.send(request("INVITE", other, kamailio.slot.uri, tag="any", route=route), kamailio.outside)
    assert other.has("SIP/2.0 4").startswith("SIP/2.0 403")
    assert kamailio.slot.got(0.05) == ""


def test_an_ack_that_leads_nowhere_gets_no_answer(kamailio: Kamailio, peers: dict[str, Peer]) -> None:
    carrier = peers[CARRIER]
    route = f"Route: <sip:127.0.0.1:{kamailio.settings.port};lr>"
    for more in ({}, {"route": route}):
        carrier.send(request("ACK", carrier, peers[STRANGER].uri, tag="any", **more), kamailio.outside)
    carrier.send(request("BYE", carrier, kamailio.slot.uri, tag="any"), kamailio.outside)
    assert carrier.got().startswith("SIP/2.0 481"), "what comes after the ACKs is answered, and they were not"
    assert peers[STRANGER].got(0.05) == ""


def test_a_slot_reaches_trunks_and_nobody_else(kamailio: Kamailio, peers: dict[str, Peer]) -> None:
    """A guest's words in a Contact would lead it anywhere; localhost: a name, which is known when it is sent."""
    slot = kamailio.slot
    _, from_slot = called(kamailio, peers[CARRIER], slot)
    for far in (peers[STRANGER].uri, f"sip:localhost:{kamailio.draining.port}"):
        slot.send(request("BYE", slot, far, tag="from", route=from_slot), kamailio.inside)
        assert re.match(r"SIP/2.0 [45]", slot.has("SIP/2.0"))
    assert peers[STRANGER].got(0.05) + kamailio.draining.got(0.05) == ""
    assert "which is in no trunk's networks" in kamailio.log.read_text()
    slot.send(request("BYE", slot, peers[CARRIER].uri, tag="from", route=from_slot), kamailio.inside)
    peers[CARRIER].has("BYE")


@pytest.mark.parametrize("tag", ["", "any"])
def test_a_flood_ends_whatever_it_pretends_to_be(
    settings: Settings, tmp_path: Path, peers: dict[str, Peer], tag: str
) -> None:
    carrier = peers[CARRIER]
    with started(settings, tmp_path, flood=10) as kamailio:
        for number in range(200):
            carrier.send(
                request("BYE" if tag else "OPTIONS", carrier, "sip:x", tag=tag, id=str(number)), kamailio.outside
            )
        answers = 0
        with contextlib.suppress(TimeoutError):
            while carrier.got(0.5):
                answers += 1
        assert 10 <= answers <= (90 if tag else 30), answers


def test_every_slot_that_runs_is_known_to_the_running_kamailio(kamailio: Kamailio, tmp_path: Path) -> None:
    """The program that tells it: new calls go to the active slot, what follows in a call to any."""

    def generation(name: str, slot: str, port: int) -> None:
        made, link = tmp_path / name, tmp_path / f"livekit-sip@{slot}.service.d/50-generation.conf"
        made.mkdir(exist_ok=True)
        (made / "ports").write_text(f"slot {slot} address 127.0.0.1 sip {port} health 1 metrics 2 rtp 3-4\n")
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(made / f"slot-{slot}.conf")

    text = Path(kamailio.settings.dispatch).read_text().replace("/etc/systemd/system", str(tmp_path))
    text = re.sub(r"setpriv( --\S+)+ ", "", text.replace(kamailio.settings.active.file, str(tmp_path / "active")))

    def dispatch(*words: str) -> int:
        return subprocess.run(["sh", "-s", *words], input=text, text=True, check=False).returncode

    def known() -> list[str]:
        return [line for line in (kamailio.directory / "slots").read_text().splitlines() if line]

    before = known()
    try:
        (tmp_path / "active").write_text("sip b\n")
        generation("old", "a", 5070)
        generation("new", "b", 6071)
        assert dispatch("check") != 0, "it knows others"
        assert dispatch() == 0
        assert known() == ["1 sip:127.0.0.1:6071", "2 sip:127.0.0.1:5070", "2 sip:127.0.0.1:6071"]
        assert dispatch("check") == 0
        (tmp_path / "livekit-sip@a.service.d/50-generation.conf").unlink()
        assert dispatch("check") == 0, "a slot that was left is no reason for a change"
        generation("newer", "c", 6072)
        assert dispatch("check") != 0
        assert dispatch() == 0
        (tmp_path / "active").write_text("")
        assert dispatch() == 0
        assert known() == ["2 sip:127.0.0.1:6071", "2 sip:127.0.0.1:6072"], "no new call, and calls go on"
    finally:
        (kamailio.directory / "slots").write_text("\n".join([*before, ""]))
        words = ["kamcmd", "-s", f"unix:{kamailio.directory}/ctl", "dispatcher.reload"]
        subprocess.run(words, check=True, capture_output=True)
