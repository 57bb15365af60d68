"""What is wrong with the media daemons' part of an inventory is told, and nothing on the host changes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.artifacts.registry import entry, layer, serving, sha256
from tests.support.calls import witness
from tests.support.calls.recorder import HOST
from tests.support.hosts.deploys import deploy, plain, variant
from tests.support.hosts.lab import lab, over_ssh

_CALLS = str(plain()["livekit"]["media_udp"])
_CARRIER = plain()["sip"]["trunks"]["carrier"]["networks"]
_OTHER = "0" * 64

ROWS: dict[str, tuple[Mapping[str, Any], tuple[str, ...]]] = {
    "phone calls in the ports of rooms": (
        {"sip": {"rtp": _CALLS}},
        ("livekit.media_udp: livekit/media-a (udp ", "overlaps sip/rtp-a (udp ", "move one of them"),
    ),
    "a trunk that takes any call": (
        {"sip": {"trunks": {"open": {"networks": ["203.0.113.0/24"]}}}},
        ("sip.trunks.open: would take any call to any number", "set numbers, secret_numbers or user"),
    ),
    "a trunk for everybody": (
        {"sip": {"trunks": {"carrier": {"networks": ["0.0.0.0/0"]}}}},
        ("sip.trunks.carrier.networks[0]: is everybody", "name the networks"),
    ),
    "a rule for no trunk": (
        {"sip": {"rules": {"lobby": {"trunks": []}}}},
        ("sip.rules.lobby.trunks: is empty", "name the trunks"),
    ),
    "streams in the ports of phone calls": (
        {"ingress": {"media_udp": plain()["sip"]["rtp"]}},
        ("ingress.media_udp: ingress/media-a (udp ", "overlaps sip/rtp-", "move one of them"),
    ),
    "a store without a bucket": (
        {"egress": {"storage": {"s3": {"access_key": "K"}}}},
        ("egress.storage.s3.bucket: is empty", "set it"),
    ),
    "a build of egress with another sum": ({"egress": {"sha256": _OTHER}}, ("egress.sha256: ", f"expected {_OTHER}")),
    "a build of sip with another sum": ({"sip": {"sha256": _OTHER}}, ("sip.sha256: ", f"expected {_OTHER}")),
    "rooms without a browser": (
        {"egress": {"records": ["room_composite"]}},
        ("egress.records: room_composite is recorded by a browser", "profile 'full'"),
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_a_mistake_is_told_and_nothing_changes(row: str, tmp_path: Path) -> None:
    settings, words = ROWS[row]
    with witness.untouched({HOST: over_ssh(HOST)}, lab().site):
        deploy(variant(tmp_path, settings)).refused(*words)


@pytest.mark.parametrize("fault", ["unknown", "changed"])
def test_an_image_that_is_not_the_one_named_is_refused(fault: str, tmp_path: Path) -> None:
    """A real registry has none with that digest, or a layer of it is not what it was."""
    with serving(tmp_path) as registry:
        content = layer(entry("usr/local/bin/egress", b"#!/bin/sh\n" * 100, mode=0o755))
        image = registry.image([content])
        if fault == "changed":
            for blob in registry.storage.rglob("data"):
                whole = bytearray(blob.read_bytes())
                if whole.startswith(b"\x1f\x8b"):  # the layer is the only one that is compressed
                    whole[len(whole) // 2] ^= 1
                    blob.write_bytes(whole)
        digest = sha256(image) if fault == "changed" else _OTHER
        own = {"source": "image", "image": registry.reference(), "sha256": digest, "file": "", "release": "9.9.9"}
        with witness.untouched({HOST: over_ssh(HOST)}, lab().site):
            told = deploy(variant(tmp_path, {"egress": own}))
    why = "did not match" if fault == "changed" else "manifest unknown"
    told.refused("egress.release: ", f"{registry.reference()}@sha256:{digest}", why)
