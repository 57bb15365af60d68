"""Records on a host, read back: what is damaged still counts as being there."""

from __future__ import annotations

import pytest

from livekit_metal.core import records


def test_a_record_is_read_back() -> None:
    assert records.read('{"who": "root@vm", "why": "disk \\"sda\\""}\n') == {"who": "root@vm", "why": 'disk "sda"'}


@pytest.mark.parametrize("text", ["", "{", '{"who": "ro', "[]", "null", "\x00"])
def test_what_cannot_be_read_is_kept(text: str) -> None:
    assert records.read(text) == {"unreadable": text}


def test_only_the_beginning_of_what_cannot_be_read_is_kept() -> None:
    assert records.read("x" * 5000) == {"unreadable": "x" * 200}


def test_places_follow_the_site() -> None:
    assert records.maintenance("/etc/alt/livekit") == "/etc/alt/livekit/maintenance"
