"""`make prove`: what is deployed for a release, and the file that is sent back. The lab itself is a run of its own."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.core.errors import SiteError
from livekit_metal.runtime.artifacts.fetch import Artifact
from tests.support.artifacts.upstream import packed, serving, sha256
from tests.upgrade import prove
from tests.upgrade.judge import Outcome
from tests.upgrade.prove import Proof

SERVER = b"#!/bin/sh\necho livekit-server version 1.13.4\n"
DONE = Outcome(change="1.13.5 to 1.13.9", hosts="1")
FINE = [{"result": "ok", "check": "udp", "about": "lk1", "vantage": "controller", "said": "media by UDP | fine"}]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_an_archive_elsewhere_is_fetched_compared_and_deployed_as_a_file() -> None:
    with serving() as upstream:
        upstream.body = packed(SERVER, "livekit-server")
        program, settings, origin = prove.fetched("1.13.4", upstream.url, sha256(upstream.body))
    assert settings == {
        "release": "1.13.4",
        "source": "file",
        "file": str(program.path),
        "sha256": sha256(SERVER),
    }
    assert program.path.read_bytes() == SERVER
    assert origin.startswith(upstream.url)


def test_another_archive_than_was_meant_is_refused() -> None:
    with serving() as upstream:
        upstream.body = packed(SERVER, "livekit-server")
        with pytest.raises(SiteError, match="sha256"):
            prove.fetched("1.13.4", upstream.url, "ab" * 32)


def test_a_release_without_a_known_archive_is_refused_before_anything_is_made() -> None:
    with pytest.raises(SiteError, match=r"livekit-server 1\.13\.4 is not known as archive"):
        prove.fetched("1.13.4")


@pytest.mark.parametrize("short", [True, False])
def test_every_row_is_of_the_release_and_the_step_to_it_begins_with_what_can_be_built(short: bool) -> None:
    wanted = {"release": "1.13.9", "source": "archive"}
    rows = {row.name: row for row in prove.rows(wanted, short)}
    assert (set(rows) == set(prove.SHORT)) == short
    assert next(iter(rows)) == "upgrade"
    assert rows["upgrade"].change == "1.13.5 to 1.13.9"
    assert rows["upgrade"].base["livekit"]["release"] == "1.13.5"
    there: Mapping[str, Any] = {}
    for row in rows.values():
        there = row.after(row.begins(there))
        assert there["livekit"].items() >= wanted.items(), row.name
    if not short:
        assert rows["paths"].base["edge"] == {"tls": "internal"}, "what a row has besides stays"


def proof(tmp_path: Path, **more: object) -> Proof:
    program = Artifact(
        component="livekit-server",
        version="1.13.9",
        source="archive",
        arch="amd64",
        sha256="ab" * 32,
        path=tmp_path,
        size=4711,
        identity="x",
    )
    told: dict[str, Any] = {"outcomes": (DONE,), "doctor": (0, FINE)}
    return Proof("1.13.9", program, "https://x.example/y (sha256 cd)", **(told | more))


def test_the_file_says_what_was_proved_of_which_bytes(tmp_path: Path) -> None:
    text = prove.text(proof(tmp_path))
    assert text.startswith("# livekit-server 1.13.9: proved\n")
    assert "| 1.13.5 to 1.13.9 | 1 |" in text
    assert "| ok | udp | lk1 | controller | media by UDP / fine |" in text
    assert f"sha256 {'ab' * 32}, 4711 bytes" in text


@pytest.mark.parametrize(
    "more",
    [
        {"outcomes": ()},
        {"outcomes": (Outcome(change="x", hosts="1", problems=("largest gap 9 ms",)),)},
        {"outcomes": (Outcome(change="x", hosts="1", skipped="it is not there yet"),)},
        {"doctor": (1, FINE)},
        {"doctor": (0, [])},
        {"error": "the lab has gone"},
    ],
    ids=lambda more: next(iter(more)),
)
def test_half_a_proof_is_none(tmp_path: Path, more: dict[str, object]) -> None:
    text = prove.text(proof(tmp_path, **more))
    assert text.startswith("# livekit-server 1.13.9: NOT PROVED\n")
    assert str(more.get("error", "")) in text


def test_what_is_no_version_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`make prove` alone hands on the Debian release that labs have."""
    monkeypatch.setattr(sys, "argv", ["prove", "bookworm"])
    with pytest.raises(SystemExit):
        prove.arguments()
    assert "write one such as 1.13.9" in capsys.readouterr().err
