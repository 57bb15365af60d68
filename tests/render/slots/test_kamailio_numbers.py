"""Prefixes and ranges, as a real Kamailio takes them from its file of sources (the row P2)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from livekit_metal.core.types.secret import Secret
from livekit_metal.roles.kamailio.settings import Settings, Source
from livekit_metal.roles.sip import numbers
from tests.support.programs.sipd import CARRIER, OTHER, Kamailio, Peer, answer, request, started

LONG = [numbers.parse(f"+4940{n:05}") for n in range(0, 2000, 30)]  # as long as a line may be
PATTERNS = ["+15550100", "+4930123*", "+4930999400-99", "office.main"]


@pytest.fixture(scope="module")
def kamailio(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kamailio]:
    said = numbers.tag(map(numbers.parse, PATTERNS))
    assert numbers.LONGEST * 0.8 < len(numbers.tag(LONG)) <= numbers.LONGEST
    sources = (
        Source(network=f"{CARRIER}/32", numbers=Secret("n", said)),
        Source(network=f"{OTHER}/32", numbers=Secret("n", numbers.tag(LONG))),
    )
    with started(settings, tmp_path_factory.mktemp("kamailio"), sources=sources) as found:
        yield found


def calls(kamailio: Kamailio, peer: Peer, number: str) -> bool:
    """Whether a call to ``number`` gets to the slot; else it is refused with 404."""
    peer.send(request("INVITE", peer, f"sip:{number}@127.0.0.1", number=number, id=f"to-{number}"), kamailio.outside)
    while said := peer.got(5):
        if not said.startswith("SIP/2.0 100"):
            assert said.startswith("SIP/2.0 404"), said
            return False
        kamailio.slot.send(answer(kamailio.slot.has("INVITE"), kamailio.slot), kamailio.inside)
        peer.has("SIP/2.0 200")
        return True
    pytest.fail("no answer")


@pytest.mark.parametrize(
    ("number", "taken"),
    [
        ("+15550100", True),
        ("+1555010", False),
        ("+155501000", False),
        ("+4930123", True),
        ("+4930123456", True),
        ("+493012", False),
        ("+4930999400", True),
        ("+4930999499", True),
        ("+4930999500", False),
        ("+49309994000", False),
        ("office.main", True),
        ("officexmain", False),
    ],
)
def test_what_a_list_of_numbers_lets_through(kamailio: Kamailio, number: str, *, taken: bool) -> None:
    peer = Peer(CARRIER)
    assert calls(kamailio, peer, number) == taken
    peer.socket.close()


def test_the_last_number_of_the_longest_list_is_called(kamailio: Kamailio) -> None:
    """What is longer is refused when the inventory is read: Kamailio would take the rest for another line."""
    peer = Peer(OTHER)
    assert calls(kamailio, peer, LONG[-1].text)
    assert not calls(kamailio, peer, PATTERNS[0])
    peer.socket.close()
