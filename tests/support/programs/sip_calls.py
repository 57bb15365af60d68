"""Calls out of a slot through a Kamailio of the tests: what each side sends, as livekit-sip and a carrier do."""

from __future__ import annotations

import re
from dataclasses import dataclass

from livekit_metal.roles.kamailio.settings import TRUNK_HEADER
from tests.support.programs.sipd import Kamailio, Peer, answer, request

OURS, THEIRS = "+15550109", "+15550999"


@dataclass
class Ground:
    """A Kamailio behind NAT, as it believes, with a carrier to call."""

    kamailio: Kamailio
    carrier: Peer
    other: Peer
    stranger: Peer
    public: tuple[str, int] | None = None  # where the carrier reaches Kamailio, if not at its own address

    @property
    def outside(self) -> tuple[str, int]:
        return self.public or self.kamailio.outside

    def invite(self, trunk: str = "carrier", slot: Peer | None = None, call: str = "out") -> None:
        """The slot calls, as livekit-sip does: its own address in From and Contact, Kamailio's in To."""
        peer, inside = slot or self.kamailio.slot, "{}:{}".format(*self.kamailio.inside)
        text = request("INVITE", peer, f"sip:{THEIRS}@{inside};transport=udp", id=call)
        text = re.sub("To: .*", f"To: <sip:{THEIRS}@{inside};transport=udp>", text)
        text = re.sub("From: .*", f"From: <sip:{OURS}@{self.kamailio.settings.address};transport=udp>;tag=slot", text)
        peer.send(f"{text}\n{TRUNK_HEADER}: {trunk}", self.kamailio.inside)

    def called(self) -> tuple[str, str]:
        """A call that the carrier has answered: the INVITE that it got, and the answer that the slot got."""
        self.invite()
        asked = self.carrier.has("INVITE")
        said = self.answered(asked)
        ack = self.follow("ACK", self.kamailio.slot, self.carrier.uri, said, routes(said)[::-1])
        self.kamailio.slot.send(ack, self.kamailio.inside)
        self.carrier.has("ACK")
        return asked, said

    def answered(self, asked: str) -> str:
        """The carrier's 200 to ``asked``, as the slot gets it; what has no answer, Kamailio sends again for seconds."""
        self.carrier.send(answer(asked, self.carrier, "carrier"), self.outside)
        return self.kamailio.slot.has("SIP/2.0 200")

    def follow(self, method: str, peer: Peer, uri: str, known: str, route: list[str]) -> str:
        """A request within the call, of the side that is ``peer``."""
        slot = peer is not self.carrier and peer is not self.other
        ends = (header(known, "From"), header(known, "To"))
        ends = ends if slot else (f"{ends[1]};tag=carrier".replace(";tag=carrier;tag=carrier", ";tag=carrier"), ends[0])
        text = request(method, peer, uri, id="out", route="\n".join(f"Route: {one}" for one in route))
        text = re.sub("From: .*", f"From: {ends[0]}", text)
        return re.sub("To: .*", f"To: {ends[1]}", text).replace("CSeq: 1", f"CSeq: {2 if method != 'ACK' else 1}")


def header(text: str, name: str) -> str:
    found = re.search(rf"(?m)^{name}: (.*?)\r?$", text)
    return found[1] if found else ""


def routes(text: str) -> list[str]:
    return re.findall(r"(?m)^Record-Route: (.*?)\r?$", text)


def uri(contact: str) -> str:
    return contact.strip("<>")
