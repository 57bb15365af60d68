"""What is known about versions and each other, and that the table is sound."""

from __future__ import annotations

import itertools
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from livekit_metal.core.errors import Problem, SiteError
from livekit_metal.releases import compatibility
from livekit_metal.releases.catalogue import find
from livekit_metal.releases.compatibility import Span, bad, known, numbers, together, unknown, version_skip

RELEASES = Path(__file__).parents[3] / "livekit_metal/releases"
TABLE = tomllib.loads((RELEASES / "versions.toml").read_text())
OFFERED = {
    version
    for table in tomllib.loads((RELEASES / "releases.toml").read_text())["livekit-server"].values()
    for version in table["versions"]
}
ENTRIES = [entry for kind in ("bad", "jump") for entries in TABLE[kind].values() for entry in entries] + TABLE["needs"]
MEASURED = "livekit-server 1.13.5, egress 1.14.1, ingress 1.5.0, sip 1.11.0 have (real runs of all four)"


def refusal(version: str, source: str, **given: str) -> str:
    with pytest.raises(SiteError) as error:
        find("livekit-server", version, source, path="livekit.release", **given)
    return str(error.value)


@pytest.mark.parametrize(
    ("version", "three"),
    [("1.13.7", (1, 13, 7)), ("1.13.7-mine2", (1, 13, 7)), ("latest", ()), ("1.13", ()), ("v1.13.7", ())],
)
def test_a_version_counts_by_its_three_numbers(version: str, three: tuple[int, ...]) -> None:
    assert numbers(version) == three


def test_a_span_has_its_first_version_and_not_its_last() -> None:
    span = Span(since="1.9.10", before="1.10.0")
    assert [v for v in ("1.9.9", "1.9.10", "1.9.12-mine", "1.10.0", "latest") if v in span] == ["1.9.10", "1.9.12-mine"]


@pytest.mark.parametrize(
    ("version", "source", "said"),
    [
        (
            "1.10.0",
            "archive",
            "livekit.release: livekit-server 1.10.0 is known to be bad: it gives out malformed TURN URLs, with which "
            "browsers refuse to connect (https://github.com/livekit/livekit/issues/4384); choose 1.13.5 or newer",
        ),
        (
            "1.9.10",
            "module",
            "livekit.release: livekit-server 1.9.10 is known to be bad: it panics when browsers of different makes "
            "meet in a room (https://github.com/livekit/livekit/issues/4244); choose 1.13.4 or newer",
        ),
        (
            "1.9.9",
            "file",
            "livekit.release: livekit-server 1.9.9 is known to be bad: web clients with livekit-client 2.18.1 cannot "
            "connect to it, nor can some later ones (https://github.com/livekit/client-sdk-js/issues/1887); choose "
            "1.13.4 or newer, or give a build in which it is mended a name of its own (1.9.9-mine)",
        ),
    ],
)
def test_a_version_known_to_be_bad_is_refused(version: str, source: str, said: str) -> None:
    assert refusal(version, source) == said


def test_what_is_not_mended_yet_is_refused_with_what_came_before(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {"since": "1.13.9", "reason": "it falls over", "link": "https://example.org/1"}
    monkeypatch.setattr(compatibility, "_table", lambda: TABLE | {"bad": {"livekit-server": [entry]}})
    assert refusal("1.13.9", "archive") == (
        "livekit.release: livekit-server 1.13.9 is known to be bad: it falls over (https://example.org/1); "
        "choose one before 1.13.9"
    )
    assert "(all: 1.13.4, 1.13.5, 1.13.6, 1.13.7, 1.13.8)" in refusal("1.12.0", "archive"), "nor is it recommended"


def test_a_build_of_ones_own_overrules_the_list() -> None:
    given = {"file": "/srv/livekit-server", "sha256": "ab" * 32}
    assert find("livekit-server", "1.10.0-mended", "file", path="livekit.release", **given).version == "1.10.0-mended"


def test_egress_that_shows_its_secrets_is_bad() -> None:
    found = bad("egress", "1.13.0")
    assert found is not None
    assert found.link == "https://github.com/livekit/egress/pull/1298"
    assert bad("egress", "1.14.0") is None
    assert bad("ingress", "1.5.0") is None


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            "1.11.0",
            "1.13.7",
            "livekit-server: 1.11.0 runs, and with 1.13.7 clients of the old slot get no new relay over TLS, because "
            "from 1.13.0 on TURN credentials must expire (https://github.com/livekit/livekit/pull/4539); "
            "deploy 1.12.0 first, and 1.13.7 when no slot runs 1.11.0 any more",
        ),
        (
            "1.13.7",
            "1.11.0",
            "livekit-server: 1.13.7 runs, and with 1.11.0 clients of the old slot get no new relay over TLS, because "
            "before 1.12.0 TURN credentials must not expire (https://github.com/livekit/livekit/pull/4505); "
            "choose 1.12.0 or newer",
        ),
        (
            "1.12.0",
            "1.11.0-mine",
            "livekit-server: 1.12.0 runs, and with 1.11.0-mine clients of the old slot get no new relay over TLS, "
            "because before 1.12.0 TURN credentials must not expire (https://github.com/livekit/livekit/pull/4505); "
            "choose 1.12.0 or newer",
        ),
        ("1.11.0", "1.12.0", ""),
        ("1.12.0", "1.13.7", ""),
        ("1.13.7", "1.12.0", ""),
        ("1.11.0", "1.10.1", ""),
        ("", "1.13.7", ""),
    ],
)
def test_a_jump_that_is_too_far_names_what_to_do(before: str, after: str, said: str) -> None:
    assert str(version_skip("livekit-server", before, after) or "") == said


def test_what_can_be_installed_can_follow_each_other() -> None:
    assert not any(version_skip("livekit-server", *pair) for pair in itertools.permutations(OFFERED, 2))
    assert not any(bad("livekit-server", version) for version in OFFERED)


@pytest.mark.parametrize("entry", [e for e in TABLE["jump"]["livekit-server"] if "by" in e])
def test_the_step_in_between_can_be_taken(entry: dict[str, Any]) -> None:
    before, after = "1.11.0", entry["to"]["since"]
    assert version_skip("livekit-server", before, after) is not None
    assert version_skip("livekit-server", before, entry["by"]) is None
    assert version_skip("livekit-server", entry["by"], after) is None
    assert bad("livekit-server", entry["by"]) is None


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_entry_can_be_looked_up_and_is_bounded(entry: dict[str, Any]) -> None:
    assert re.fullmatch(r"https://github\.com/[\w-]+/[\w-]+/(issues|pull)/\d+", entry["link"])
    for span in (entry.get("from", entry), entry.get("to", entry)):
        assert span.get("since") or span.get("before")
        assert all(numbers(span[name]) for name in ("since", "before") if name in span)


EXTRA = {
    "turn": {"enabled": True, "proxy_protocol": True},
    "psrpc": {"compression": {"quality": 6}},
    "webtransport": {},
}


@pytest.mark.parametrize(
    ("version", "gone"),
    [
        ("1.13.6", {"psrpc.compression": "1.13.7", "turn.proxy_protocol": "1.13.7", "webtransport": "1.13.8"}),
        ("1.13.7-mine", {"webtransport": "1.13.8"}),
        ("1.13.9", {}),
    ],
)
def test_keys_of_the_configuration_have_a_first_version(version: str, gone: dict[str, str]) -> None:
    assert unknown("livekit-server", version, EXTRA) == gone


def test_what_a_version_does_not_know_is_left_out_and_the_rest_stays() -> None:
    assert known("livekit-server", "1.13.6", EXTRA) == {"turn": {"enabled": True}, "psrpc": {}}
    assert list(known("livekit-server", "1.13.6", EXTRA)) == ["turn", "psrpc"], "in the same order"
    assert known("livekit-server", "1.13.9", EXTRA) == EXTRA
    assert EXTRA["turn"] == {"enabled": True, "proxy_protocol": True}, "the original is not touched"
    assert known("livekit-server", "1.13.6", {"turn": False}) == {"turn": False}


@pytest.mark.parametrize(
    "ran",
    [
        {"livekit-server": "1.13.6"},
        {"livekit-server": "1.13.5", "egress": "1.14.1", "ingress": "1.5.0", "sip": "1.11.0"},
        {"sip": "1.11.0", "livekit-server": "1.13.5"},
        {"livekit-server": "1.13.7", "sip": "1.17.0"},
    ],
)
def test_of_what_has_run_together_there_is_nothing_to_say(ran: dict[str, str]) -> None:
    assert together(ran) == ()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"livekit-server": "1.13.7", "egress": "1.14.1"},
            f"livekit-server 1.13.7, egress 1.14.1 are not known to have run together; {MEASURED}",
        ),
        (
            {"livekit-server": "1.13.9", "egress": "1.15.0", "ingress": "1.5.0"},
            "livekit-server 1.13.9, egress 1.15.0, ingress 1.5.0 are not known to have run together; "
            "livekit-server 1.13.9, egress 1.15.0 have (integration test of noctf)",
        ),
    ],
)
def test_what_is_not_known_to_run_together_is_noted_with_the_nearest_that_is(asked: dict[str, str], said: str) -> None:
    assert together(asked) == (said,)


def test_what_cannot_run_together_is_a_problem() -> None:
    found = together({"livekit-server": "1.5.0", "egress": "1.14.1"})
    assert isinstance(found, Problem)
    assert str(found) == (
        "egress.release: 1.14.1 does not work with livekit-server 1.5.0 "
        "(https://github.com/livekit/egress/issues/570); choose livekit-server 1.5.1 or newer"
    )
    assert together({"egress": "1.14.1"}) == ()
